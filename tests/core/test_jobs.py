"""Jobs beside an interface, with the real worker: delivered once, dropped when cancelled, told when they fail."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lexis_blender.jobs import CANCELLING, IDLE, RUNNING, STARTING, Jobs, Work
from lexis_core.errors import InputError, LexisError
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.library import make
from lexis_core.runtime.client import Worker

BALL, CUP = make("ball").mesh, make("cup").mesh


@pytest.fixture(scope="module")
def jobs():
    made = Jobs(Worker)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _nothing_is_left(jobs):
    yield
    jobs.cancel()
    jobs.wait()


def request(body: Mesh = BALL, thing: Mesh = CUP):
    return {}, {"body_vertices": body.vertices, "body_faces": body.faces,
                "object_vertices": thing.vertices, "object_faces": thing.faces}


def long_request():
    """Seconds of distances, in which the worker does not look whether to stop."""
    steps = np.linspace(0, 30, 400, dtype=np.float32)
    crowd = Mesh(np.concatenate([BALL.vertices + [x, 0, 0] for x in steps]).astype(np.float32),
                 np.concatenate([BALL.faces + i * len(BALL.vertices) for i in range(len(steps))]).astype(np.int32))
    return request(crowd, crowd)


def outcome(prepare=request, **steps):
    """A Work, and the list into which its result or its error goes."""
    ends: list = []
    return Work("interfield", prepare, done=ends.append, failed=ends.append, **steps), ends


def tick_until(jobs, state):
    while jobs.state != state:
        jobs.tick()
        time.sleep(0.005)


def test_a_result_is_delivered_once_and_is_what_the_core_computes(jobs):
    threads = []

    def finish(event):
        threads.append(threading.current_thread())
        return event.arrays

    work, ends = outcome(finish=finish)
    jobs.start(work)
    assert jobs.state == STARTING
    jobs.wait()
    assert len(ends) == 1 and jobs.state == IDLE and not jobs.tick()
    field = measure(BALL, CUP)
    assert_allclose(ends[0]["body"], field.body, rtol=1e-6)
    assert_allclose(ends[0]["object_distance"], field.object_distance, atol=1e-7)
    assert threads[0] is not threading.main_thread()


def test_a_second_job_waits_for_the_first_to_be_over(jobs):
    work, _ = outcome()
    jobs.start(work)
    with pytest.raises(RuntimeError):
        jobs.start(work)
    jobs.wait()
    jobs.start(work)


def test_errors_of_every_step_are_told(jobs):
    def refuse(*_):
        raise InputError("No.", "It may not be.", "Do something else.")

    def break_down(*_):
        raise ZeroDivisionError("by zero")

    for work, ends in (outcome(prepare=refuse), outcome(finish=refuse)):
        jobs.start(work)
        jobs.wait()
        assert [type(e) for e in ends] == [InputError] and ends[0].what == "No."
    work, ends = outcome(prepare=break_down)
    jobs.start(work)
    jobs.wait()
    assert "ZeroDivisionError: by zero" in ends[0].why
    work, ends = outcome(prepare=lambda: ({}, {}))  # the worker asks for meshes
    jobs.start(work)
    jobs.wait()
    assert isinstance(ends[0], LexisError)
    told: list = []
    jobs.start(Work("interfield", request, done=refuse, failed=told.append))
    jobs.wait()
    assert [type(e) for e in told] == [InputError]


def test_what_is_cancelled_is_never_delivered(jobs):
    held = threading.Event()

    def prepare():
        held.wait()
        return request()

    work, ends = outcome(prepare=prepare)
    jobs.start(work)
    jobs.cancel()
    assert jobs.state == IDLE
    held.set()
    other, others = outcome()
    jobs.start(other)
    jobs.wait()
    assert ends == [] and len(others) == 1


def test_a_worker_that_does_not_stop_is_ended_and_the_next_job_has_another(jobs):
    work, ends = outcome(prepare=long_request)
    jobs.start(work)
    tick_until(jobs, RUNNING)
    pid = jobs.worker.pid
    jobs.cancel()
    assert jobs.state == CANCELLING
    jobs.wait()
    assert jobs.state == IDLE and ends == []
    other, others = outcome()
    jobs.start(other)
    jobs.wait()
    assert len(others) == 1 and jobs.worker.pid != pid


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_worker_that_dies_is_told_and_replaced(jobs):
    work, ends = outcome(prepare=long_request)
    jobs.start(work)
    tick_until(jobs, RUNNING)
    os.kill(jobs.worker.pid, signal.SIGKILL)
    jobs.wait()
    assert len(ends) == 1 and ends[0].what == "The worker has stopped."
    other, others = outcome()
    jobs.start(other)
    jobs.wait()
    assert len(others[0].arrays) == 6


def test_a_result_waits_until_it_may_be_delivered(jobs):
    work, ends = outcome()
    jobs.start(work)
    while jobs.stage != "save" or not jobs._aside.over:
        jobs.tick(may_finish=False)
        time.sleep(0.005)
    assert jobs.tick(may_finish=False) and ends == []
    assert not jobs.tick() and len(ends) == 1


def test_stopping_ends_the_worker_and_delivers_nothing(jobs):
    work, ends = outcome(prepare=long_request)
    jobs.start(work)
    tick_until(jobs, RUNNING)
    process = jobs.worker._process
    jobs.stop()
    assert process.poll() is not None and jobs.worker is None
    assert not jobs.tick() and ends == []
