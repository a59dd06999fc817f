"""Routes of everything but steps and the page, with their OpenAPI document; and those that write text."""
