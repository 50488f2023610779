"""Text of others (class names, file names, messages of networks) as text in Streamlit's Markdown, which would else draw pictures
from any address and follow any markup in it. Figures have `spt.figures.style.plain`."""


def escape(text: str) -> str:
    """Text for Streamlit's Markdown, on one line: class names may hold any character."""
    text = " ".join(text.split())
    for character in "\\`*_[]<>$#|~:":
        text = text.replace(character, "\\" + character)
    return text


def in_latex(unit: str) -> str:
    """A unit after a number, in LaTeX."""
    return r"^\circ" if unit == "°" else rf"\,\mathrm{{{unit}}}".replace("%", r"\%").replace(" ", r"\ ")
