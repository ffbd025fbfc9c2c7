"""Lists in pages: every item once and in order, also while the catalogue changes between two pages; cursors are opaque, belong to
their list and survive a reload."""
import threading
import unittest

from client import post, result
from legacy import Session
from test_http_front import LISTEN
from test_reload import reload
from weir_process import WeirProcess

COUNT = 53


def config(names, more=""):
    rows = "".join(f"  - {{name: {name}, run: [echo, {name}]}}\n" for name in names)
    return LISTEN + "builtin: false\npage_size: 10\n" + more + "commands:\n" + rows


def names(first, last):
    return [f"tool_{number:03}" for number in range(first, last)]


def pages(ask, between=lambda number: None):
    """All pages of tools/list; between(n) is called after the n-th."""
    found, cursor = [], None
    while True:
        page = ask({"cursor": cursor} if cursor else {})
        found.append([tool["name"] for tool in page["tools"]])
        cursor = page.get("nextCursor")
        if not cursor:
            return found
        between(len(found))


class Pages(unittest.TestCase):
    def test_all_of_them(self):
        with WeirProcess(config(names(0, COUNT))) as weir, Session(weir) as session:
            for ask in (lambda params: result(weir, "tools/list", params), lambda params: session.result("tools/list", params)):
                for _ in range(3):
                    found = pages(ask)
                    self.assertEqual([len(page) for page in found], [10] * 5 + [3])
                    self.assertEqual(sum(found, []), names(0, COUNT))

    def test_full_last_page(self):
        with WeirProcess(config(names(0, 20))) as weir:
            self.assertEqual([len(page) for page in pages(lambda params: result(weir, "tools/list", params))], [10, 10])

    def test_an_empty_list(self):
        with WeirProcess(LISTEN + "builtin: false\n") as weir:
            for method, member in (("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts"),
                                   ("resources/templates/list", "resourceTemplates")):
                page = result(weir, method)
                self.assertEqual((page[member], page.get("nextCursor")), ([], None))

    def test_wrong_cursors(self):
        with WeirProcess(config(names(0, COUNT))) as weir, Session(weir) as session:
            good = result(weir, "tools/list")["nextCursor"]
            for cursor in ("", "x", "0", "-1", good[:-1], good + "A", good * 2, "A" * 100000, "\u00e9", "..", 5, [good], {"a": 1}):
                status, answer = post(weir, "tools/list", {"cursor": cursor})
                self.assertEqual((status, answer["error"]["code"]), (200, -32602), str(cursor)[:50])
                with session.request("tools/list", {"cursor": cursor}) as reply:
                    self.assertEqual(reply.json()["error"]["code"], -32602)
            for method in ("prompts/list", "resources/list", "resources/templates/list"):
                self.assertEqual(post(weir, method, {"cursor": good})[1]["error"]["code"], -32602, "a cursor of another list")


class Changes(unittest.TestCase):
    def walk(self, after):
        """The names that a client sees which pages through the list while it becomes `after` behind the second page."""
        with WeirProcess(config(names(0, COUNT))) as weir:
            def between(number):
                if number == 2:
                    self.assertEqual(reload(weir, config(after)), "reloaded")

            return sum(pages(lambda params: result(weir, "tools/list", params), between), [])

    def test_some_go(self):
        gone = {"tool_003", "tool_019", "tool_020", "tool_030", "tool_052"}  # seen, the cursor's own, the next, later, the last
        seen = self.walk([name for name in names(0, COUNT) if name not in gone])
        self.assertEqual(seen, [name for name in names(0, COUNT) if name not in {"tool_020", "tool_030", "tool_052"}])

    def test_some_come(self):
        seen = self.walk(names(0, COUNT) + names(100, 120))
        self.assertEqual(seen, names(0, COUNT) + names(100, 120))

    def test_nothing_repeats_when_some_come_in_front(self):
        seen = self.walk(names(100, 120) + names(0, COUNT))
        self.assertEqual(len(seen), len(set(seen)), "none twice")
        self.assertEqual([name for name in seen if name in names(0, COUNT)], names(0, COUNT), "and none that stayed is skipped")

    def test_all_go(self):
        self.assertEqual(self.walk(["other"]), names(0, 20) + ["other"])

    def test_under_constant_change(self):
        """Whoever pages while reloads go on sees what stays exactly once."""
        with WeirProcess(config(names(0, COUNT))) as weir:
            done, mistakes = threading.Event(), []

            def work():
                while not done.is_set():
                    seen = sum(pages(lambda params: result(weir, "tools/list", params)), [])
                    stayed = [name for name in seen if name in names(0, COUNT)]
                    if len(seen) != len(set(seen)) or stayed != names(0, COUNT):
                        mistakes.append(seen)
                        return

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for turn in range(20):
                extra = names(100 + turn, 110 + turn)
                reload(weir, config(names(0, COUNT) + extra if turn % 2 else extra + names(0, COUNT)))
            done.set()
            for thread in threads:
                thread.join()
            self.assertEqual(mistakes, [])


if __name__ == "__main__":
    unittest.main()
