"""Tours: walks through the pages, each one file, with words, a part to look at and questions."""
