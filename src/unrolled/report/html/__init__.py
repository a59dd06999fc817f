"""Reports as single HTML files that work without a network.

    page.py             forecast report: sections of forecast_sections.py, facts of facts.py
    sequence_page.py    classification report (sequence_sections.py) and probe report (probe_sections.py)
    markup.py           the HTML elements; whatever a user wrote is escaped there and nowhere else
    page.html, style.css, page.js, with plotly inside: the frame around the sections

A section is a function from records to HTML. It reads records by attribute.
"""
