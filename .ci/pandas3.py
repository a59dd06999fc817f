"""Make .venv-pandas3: the packages of .venv, but pandas 3 and no statsforecast, which caps pandas below 3.

Everything else is linked, so that torch is not installed twice. Run by `make`, with the Python of .venv.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ENVIRONMENT = Path(__file__).parents[1] / ".venv-pandas3"
PANDAS = "pandas==3.1.1"
REPLACED = ("pandas", "statsforecast")


def main() -> None:
    """Link what is installed here, then install pandas 3 beside it."""
    venv.create(ENVIRONMENT, clear=True, with_pip=False, symlinks=True)
    installed = Path(sysconfig.get_path("purelib"))
    target = ENVIRONMENT / installed.relative_to(sys.prefix)
    for package in installed.iterdir():
        if not package.name.startswith(REPLACED) or package.name.startswith("pandas_stubs"):
            (target / package.name).symlink_to(package)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), PANDAS], check=True)  # noqa: S603 (pip itself)
    for script in ("pytest", "unrolled"):
        text = (Path(sys.prefix) / "bin" / script).read_text("utf-8")
        (ENVIRONMENT / "bin" / script).write_text(text.replace(sys.prefix, str(ENVIRONMENT)), "utf-8")
        (ENVIRONMENT / "bin" / script).chmod(0o755)


if __name__ == "__main__":
    main()
