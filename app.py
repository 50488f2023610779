"""SPT Explorer: start it with ``streamlit run app.py``.

The server is told to run pages/navigation.py for each visit, rather than this file: with a folder named ``pages`` beside the
script it runs, Streamlit would answer the first visitor of a link to a page with "Page not found".
"""

import streamlit as st

from spt.ui.server import base, headers, start, status

app = st.App(
    "pages/navigation.py",
    lifespan=start.prepare,
    routes=[status.ROUTE],
    middleware=[start.MIDDLEWARE, headers.MIDDLEWARE, base.MIDDLEWARE],
)
