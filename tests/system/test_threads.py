"""The number of threads of linear algebra, where several Python threads fit at once."""

from threading import Event, Thread

import pytest

from mixtures import threads as module
from mixtures.threads import one_thread


def libraries():
    """Libraries with one setting for all Python threads: NumPy's and SciPy's."""
    return [each for each in module._libraries() if each.user_api == "blas"]


def numbers():
    return {each.num_threads for each in libraries()}


def set_to(*given):
    """Set the libraries from this Python thread, and let others set them."""
    for each, number in zip(libraries(), given, strict=True):
        module._free(each)
        each.set_num_threads(number)
        module._free(each)


@pytest.fixture
def two():
    """Two threads at first."""
    before = [each.num_threads for each in libraries()]
    set_to(*[2] * len(before))
    yield
    set_to(*before)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("first_out", ["first", "second"])
def test_the_last_python_thread_to_leave_restores_the_number(first_out):
    entered, leave = ({name: Event() for name in ("first", "second")} for _ in range(2))
    seen = {}

    def fit(name):
        with one_thread():
            entered[name].set()
            assert leave[name].wait(60)
            seen[name] = numbers()

    threads = {name: Thread(target=fit, args=(name,)) for name in entered}
    for name, thread in threads.items():
        thread.start()
        assert entered[name].wait(60)
    for name in (first_out, *({*threads} - {first_out})):
        leave[name].set()
        threads[name].join(60)
    assert seen == {"first": {1}, "second": {1}}
    assert numbers() == {2}
    with one_thread():
        with one_thread():
            assert numbers() == {1}
        assert numbers() == {1}
    assert numbers() == {2}
