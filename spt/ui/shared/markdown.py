"""Text of others, such as class names, as text in Streamlit's Markdown."""


def escape(text: str) -> str:
    """Text for Streamlit's Markdown: class names may hold any character."""
    for character in "\\`*_[]<>$#|~:":
        text = text.replace(character, "\\" + character)
    return text
