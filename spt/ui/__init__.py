"""The only part of spt that imports streamlit: caching, controls, live runs, and what results look like."""
