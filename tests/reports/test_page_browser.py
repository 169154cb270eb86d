"""The report's page in a browser: what is filtered, sorted and zoomed is what is then shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made_up_page
import pytest

from tdmpc2_bench.reports import page

pytest.importorskip("selenium", reason="the tests' dependency group has it")

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
)
PWN = "window.__pwned = 1"
INJECTED = (
    f"<script>{PWN}</script>",
    f"<img src=x onerror='{PWN}'>",
    f'" onmouseover="{PWN}" autofocus onfocus="{PWN}',
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1300,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 tasks, 3 lines."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.render(made_up_page.page()), encoding="utf-8")
    return path


class Opened:
    """What can be seen and done on a page."""

    def __init__(self, browser: webdriver.Chrome, path: Path, address: str = "") -> None:
        self.browser = browser
        browser.get("about:blank")  # an address that differs in its hash alone loads nothing
        browser.get(f"{path.as_uri()}{address}")

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def shown(self, selector: str) -> list[str]:
        """Text of those elements that are displayed."""
        code = """return [...document.querySelectorAll(arguments[0])]
            .filter((one) => one.checkVisibility()).map((one) => one.textContent.trim())"""
        found: list[str] = self.browser.execute_script(code, selector)
        return found

    def rows(self) -> list[str]:
        return self.shown("[data-name=final] tbody th")

    def column(self) -> list[str]:
        """What the final values are sorted by."""
        code = """return [...document.querySelectorAll('[data-name=final] td:last-child')]
            .map((one) => one.dataset.value)"""
        found: list[str] = self.browser.execute_script(code)
        return found

    def choose(self, name: str, value: str) -> None:
        self.one(f"[name={name}][value='{value}']").find_element(By.XPATH, "..").click()

    def search(self, words: str) -> None:
        self.one("[name=task]").send_keys(words)

    def sort(self, heading: int = 3) -> Any:
        """By a column of the final values, counted from one; its head."""
        head = self.one(f"[data-name=final] thead th:nth-child({heading})")
        head.find_element(By.TAG_NAME, "button").click()
        return head

    def plot(self, number: int = 0) -> Any:
        """The picture of a panel, once it has been drawn in the middle of the window."""
        plot = self.all(".plot > svg")[number]
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
        self.until(lambda: plot.find_elements(By.CSS_SELECTOR, ".mean"))
        return plot

    def wheel(self, element: Any) -> None:
        """Turn it by a notch, away from the user."""
        origin = ScrollOrigin.from_element(element)
        ActionChains(self.browser).scroll_from_origin(origin, 0, -100).perform()

    def until(self, true: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, 10, 0.02).until(lambda _: true())


def axis(plot: Any) -> tuple[float, float]:
    """First and last environment step that are written below a panel."""
    units = {"K": 1e3, "M": 1e6}
    labels = [one.text for one in plot.find_elements(By.CSS_SELECTOR, ".axes .step")]
    steps = [float(label.rstrip("KM")) * units.get(label[-1:], 1) for label in labels]
    return steps[0], steps[-1]


@pytest.fixture
def opened(browser: webdriver.Chrome, written: Path) -> Opened:
    return Opened(browser, written)


def test_a_suite_and_a_word_choose_rows_and_curves_alike(opened: Opened) -> None:
    assert len(opened.rows()) == 90 and len(opened.shown(".panel h3")) == 30
    opened.choose("suite", "metaworld")
    assert len(opened.rows()) == 30 and len(opened.shown(".panel h3")) == 10
    opened.choose("suite", "dmcontrol")
    opened.search("CHEETAH 1")
    assert opened.shown(".panel h3") == ["cheetah-1", "cheetah-10"]
    assert {*opened.rows()} == {"cheetah-1", "cheetah-10"} and len(opened.rows()) == 6
    assert "2 of 30 tasks, 3 of 3 lines" in opened.shown("#shown")
    assert opened.shown("[data-name=final] .count") == ["6 of 90 rows"]
    assert len(opened.shown("[data-name=summary] tbody tr")) == 1  # about all: it stays
    opened.one("button[type=reset]").click()
    opened.until(lambda: len(opened.rows()) == 90)
    assert len(opened.shown(".panel h3")) == 30


def test_a_hidden_line_is_hidden_everywhere(opened: Opened) -> None:
    plot = opened.plot()
    opened.choose("line", "1")
    assert len(opened.rows()) == 60
    assert opened.shown("[data-name=final] tbody td:nth-child(2)").count("sac") == 0
    assert opened.shown("[data-name=summary] thead th") == [
        "suite",
        "tdmpc2",
        "uniform (published)",
    ]
    assert len(opened.shown("[data-name=summary] td")) == 2
    assert opened.shown(".legend span") == ["tdmpc2", "uniform (published)"]
    assert len(plot.find_elements(By.CSS_SELECTOR, ".mean")) == 2
    opened.choose("line", "1")
    assert len(opened.rows()) == 90 and len(plot.find_elements(By.CSS_SELECTOR, ".mean")) == 3


def test_the_address_brings_back_what_was_chosen(
    opened: Opened, browser: webdriver.Chrome, written: Path
) -> None:
    opened.choose("suite", "dmcontrol")
    opened.choose("line", "2")
    opened.one("[name=seeds]").click()
    opened.search("walker")
    opened.one("nav a[href='#curves']").click()
    assert len(opened.rows()) == 20
    address = browser.current_url.partition("#")[2]
    assert address == (
        "at=curves&suite=dmcontrol&task=walker&without=uniform+%28published%29&seeds=no"
    )
    again = Opened(browser, written, f"#{address}")
    assert len(again.rows()) == 20 and len(again.shown(".panel h3")) == 10
    assert not again.plot().find_elements(By.CSS_SELECTOR, ".seeds")
    top = "return document.getElementById('curves').getBoundingClientRect().top"
    assert abs(browser.execute_script(top)) < 900


def test_numbers_sort_as_numbers_and_what_is_missing_comes_last(opened: Opened) -> None:
    original = opened.column()
    assert original[0] == ""
    numbers = sorted(map(float, original[1:]))
    assert numbers != [float(text) for text in sorted(original[1:])]
    head = opened.sort()
    assert [float(value) for value in opened.column()[:-1]] == numbers
    assert opened.column()[-1] == "" and head.get_dom_attribute("aria-sort") == "ascending"
    opened.sort()
    assert [float(value) for value in opened.column()[:-1]] == numbers[::-1]
    assert opened.column()[-1] == "" and head.get_dom_attribute("aria-sort") == "descending"
    opened.sort()
    assert opened.column() == original and head.get_dom_attribute("aria-sort") is None


def test_names_sort_with_their_numbers_in_order_and_by_the_keyboard(opened: Opened) -> None:
    opened.sort()
    head = opened.one("[data-name=final] thead th")
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    names = list(dict.fromkeys(opened.rows()))
    assert names[:11] == [*(f"cheetah-{number}" for number in range(1, 11)), "mw-reach-1"]
    assert len(opened.all("[data-name=final] [aria-sort]")) == 1


def test_a_drag_zooms_in_on_steps_and_a_button_shows_all_again(opened: Opened) -> None:
    plot = opened.plot()
    assert axis(plot) == (0, 2e6)
    values = [one.text for one in plot.find_elements(By.CSS_SELECTOR, ".axes .value")]
    drag = ActionChains(opened.browser).move_to_element(plot).click_and_hold()
    drag.move_by_offset(40, 0).release().perform()
    first, last = axis(plot)
    assert 0.9e6 <= first < last < 1.5e6
    assert opened.shown(".panel .range")[0].startswith("steps ")
    assert [one.text for one in plot.find_elements(By.CSS_SELECTOR, ".axes .value")] != values
    assert axis(opened.plot(1)) == (0, 2e6)  # the others stay as they are
    opened.plot()
    opened.one(".panel .reset").click()
    assert axis(plot) == (0, 2e6) and opened.shown(".panel .range")[0] == ""


def test_the_wheel_zooms_in_the_panel_that_was_clicked_only(opened: Opened) -> None:
    run = opened.browser.execute_script
    run("addEventListener('wheel', (event) => { window.kept = event.defaultPrevented })")
    plot = opened.plot(4)
    plot.click()
    opened.wheel(plot)
    opened.until(lambda: 0 < axis(plot)[0] < axis(plot)[1] < 2e6)
    assert run("return window.kept") is True
    ActionChains(opened.browser).double_click(plot).perform()
    assert axis(plot) == (0, 2e6)
    run("arguments[0].blur(); window.kept = null", plot)
    opened.wheel(plot)
    opened.until(lambda: run("return window.kept") is False)  # the page may scroll
    assert axis(plot) == (0, 2e6)


def test_the_keyboard_reads_values_and_zooms(opened: Opened) -> None:
    plot = opened.plot()
    opened.browser.execute_script("arguments[0].focus()", plot)
    keys = ActionChains(opened.browser)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    told = opened.shown(".readout")[0]
    assert told.startswith("50,000 steps") and "uniform (published)" in told
    curve = made_up_page.page().curves[0].lines[0]
    assert f"tdmpc2 {curve.mean[1]:.4g} [{curve.low[1]:.4g}, {curve.high[1]:.4g}]" in told
    ActionChains(opened.browser).send_keys("+").perform()
    assert axis(plot)[1] < 2e6
    ActionChains(opened.browser).send_keys(Keys.ESCAPE).perform()
    assert axis(plot) == (0, 2e6)


def test_pointing_at_a_panel_shows_a_value_of_each_line(opened: Opened) -> None:
    ActionChains(opened.browser).move_to_element(opened.plot()).perform()
    assert len(opened.all(".readout:not([hidden]) > div")) == 3
    assert len(opened.all(".dot")) == 3
    ActionChains(opened.browser).move_to_element(opened.one("h2")).perform()
    assert not opened.shown(".readout")


def test_a_panel_is_drawn_when_it_comes_into_view_and_all_for_print(opened: Opened) -> None:
    opened.plot()
    assert 3 <= len(opened.all(".mean")) < 90
    opened.browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(opened.all(".mean")) == 90


def test_a_panel_can_be_enlarged(opened: Opened) -> None:
    plot = opened.plot()
    width = plot.size["width"]
    button = opened.one(".panel .enlarge")
    button.click()
    assert button.get_dom_attribute("aria-pressed") == "true"
    opened.until(lambda: int(plot.get_dom_attribute("viewBox").split()[2]) > 1.5 * width)


def test_nothing_is_said_to_the_console_and_nothing_is_asked_of_a_network(
    browser: webdriver.Chrome, written: Path
) -> None:
    for log in ("browser", "performance"):
        browser.get_log(log)
    opened = Opened(browser, written)
    opened.search("walker")
    ActionChains(browser).move_to_element(opened.plot()).perform()
    events = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"].endswith("BeSent")]
    assert {one for one in asked if not one.startswith("data:")} == {written.as_uri()}
    assert browser.get_log("browser") == []


def test_a_name_with_markup_is_shown_and_does_not_run(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    suites = {f"walker{one}": f"dmcontrol{one}" for one in INJECTED}
    path.write_text(page.render(made_up_page.page(INJECTED, suites)), encoding="utf-8")
    opened = Opened(browser, path)
    assert opened.shown(".legend span") == [*INJECTED]
    assert opened.shown(".panel h3") == [*suites]
    ActionChains(browser).move_to_element(opened.plot()).perform()
    assert all(one in opened.shown(".readout")[0] for one in INJECTED)
    opened.all(".suites label")[1].click()
    opened.all(".lines label")[1].click()
    assert opened.shown(".panel h3") == [f"walker{INJECTED[0]}"]
    assert browser.execute_script("return typeof window.__pwned") == "undefined"
    again = Opened(browser, path, f"#{browser.current_url.partition('#')[2]}")
    assert again.shown(".legend span") == [INJECTED[0], INJECTED[2]]
    assert browser.execute_script("return typeof window.__pwned") == "undefined"
