"""Figures and tables as people see them: data in, a plotly figure, an SVG or rows out; pure functions, one file a subject."""
