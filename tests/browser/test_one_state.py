"""After a move nothing of the state before looks as if it belonged to this one: every figure is dimmed until its own is there."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser import browser, page, server, settled  # noqa: F401 (fixtures)

pytestmark = pytest.mark.browser

WATCH = """() => {
  const since = new Map(), seen = window.stale = { dimmed: 0, bright: [] };
  const look = () => {
    const now = performance.now();
    const old = document.querySelectorAll('[data-testid="stMain"] [data-testid="stElementContainer"][data-stale="true"]');
    for (const one of since.keys()) if (![...old].includes(one)) since.delete(one);
    for (const one of old) {
      if (!one.querySelector("canvas, svg, img, table, [data-testid=stAlert], [data-testid=stMetric]")) continue;
      if (!since.has(one)) since.set(one, now);
      if (now - since.get(one) < 1000) continue;
      let opacity = 1;
      for (let each = one; each; each = each.parentElement) opacity *= Number(getComputedStyle(each).opacity);
      if (opacity > 0.5 && !one.querySelector("input, button")) seen.bright.push(one.className);
      else seen.dimmed += 1;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("votes?n=10000&pace=fast", "angle|γ"),
        pytest.param("interpolation?splits=240", "angle|γ", marks=pytest.mark.slow),
        pytest.param("inverse?inverse_splits=600&inverse_refinements=3", "angle|γ", marks=pytest.mark.slow),
    ],
)
def test_what_is_of_the_state_before_is_dimmed(server: str, page: Page, address: str, first: str) -> None:  # noqa: F811
    page.goto(f"{server}/{address}")
    settled(page)
    expect(page.locator('[data-testid="stMain"] canvas').first).to_be_visible()
    page.evaluate(WATCH)
    slider = page.locator('[data-testid="stSidebar"]').get_by_role("slider", name=re.compile(first)).first
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
        page.wait_for_timeout(1200)
    settled(page)
    found = page.evaluate("window.stale")
    assert found["bright"] == []
    expect(page.locator('[data-testid="stMain"] [data-stale="true"]')).to_have_count(0)
