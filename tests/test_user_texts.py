"""Every text that users can see is in one reviewed file."""

from tests.support.user_texts import SNAPSHOT, collect


def test_every_text_that_a_user_can_see_is_in_the_reviewed_file() -> None:
    assert collect() == SNAPSHOT.read_text("utf-8"), "run 'make generate' and read what changed"
