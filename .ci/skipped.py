"""Print the files of the tests that a JUnit report says were skipped, for pytest's command line."""

import sys
from xml.etree import ElementTree

cases = ElementTree.parse(sys.argv[1]).getroot().iter("testcase")  # noqa: S314 (pytest wrote it a minute ago)
skipped = [case for case in cases if case.find("skipped") is not None]
print(
    "\n".join(
        sorted({f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}" for case in skipped})
    )
)
