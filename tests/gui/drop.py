"""Drops a file onto a window as a file browser does: the source of an X drag and drop (XDND 5), by libX11 alone.

python3 drop.py FILE X Y
"""

from __future__ import annotations

import ctypes
import sys
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_ubyte, c_uint, c_ulong, c_void_p
from pathlib import Path

CLIENT_MESSAGE, SELECTION_NOTIFY, SELECTION_REQUEST = 33, 31, 30
ATOM = 4
PATIENCE = 20.0  # seconds for each answer of the window's


class ClientMessage(ctypes.Structure):
    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p),
                ("window", c_ulong), ("message_type", c_ulong), ("format", c_int), ("data", c_long * 5)]


class SelectionRequest(ctypes.Structure):
    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("owner", c_ulong),
                ("requestor", c_ulong), ("selection", c_ulong), ("target", c_ulong), ("property", c_ulong),
                ("time", c_ulong)]


class Selection(ctypes.Structure):
    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p),
                ("requestor", c_ulong), ("selection", c_ulong), ("target", c_ulong), ("property", c_ulong),
                ("time", c_ulong)]


class Event(ctypes.Union):
    _fields_ = [("type", c_int), ("client", ClientMessage), ("request", SelectionRequest), ("selection", Selection),
                ("pad", c_long * 24)]


x11 = ctypes.CDLL("libX11.so.6")
x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = c_void_p, [c_char_p]
for name, result, *given in (
        ("XDefaultRootWindow", c_ulong, c_void_p), ("XInternAtom", c_ulong, c_void_p, c_char_p, c_int),
        ("XCreateSimpleWindow", c_ulong, c_void_p, c_ulong, c_int, c_int, c_uint, c_uint, c_uint, c_ulong, c_ulong),
        ("XSetSelectionOwner", c_int, c_void_p, c_ulong, c_ulong, c_ulong), ("XPending", c_int, c_void_p),
        ("XNextEvent", c_int, c_void_p, POINTER(Event)), ("XFlush", c_int, c_void_p), ("XFree", c_int, c_void_p),
        ("XSendEvent", c_int, c_void_p, c_ulong, c_int, c_long, POINTER(Event)),
        ("XQueryTree", c_int, c_void_p, c_ulong, POINTER(c_ulong), POINTER(c_ulong), POINTER(POINTER(c_ulong)),
         POINTER(c_uint)),
        ("XGetWindowProperty", c_int, c_void_p, c_ulong, c_ulong, c_long, c_long, c_int, c_ulong, POINTER(c_ulong),
         POINTER(c_int), POINTER(c_ulong), POINTER(c_ulong), POINTER(c_void_p)),
        ("XChangeProperty", c_int, c_void_p, c_ulong, c_ulong, c_ulong, c_int, c_int, POINTER(c_ubyte), c_int)):
    function = getattr(x11, name)
    function.restype, function.argtypes = result, given


def drop(path: Path, x: int, y: int) -> bool:
    """Drop a file at a place of the screen; whether the window there took it. TimeoutError when it does not answer."""
    display = x11.XOpenDisplay(None)
    root = x11.XDefaultRootWindow(display)
    atom = {name: x11.XInternAtom(display, name.encode(), 0) for name in (
        "XdndAware", "XdndSelection", "XdndEnter", "XdndPosition", "XdndStatus", "XdndDrop", "XdndFinished",
        "XdndActionCopy", "text/uri-list", "TARGETS")}
    window = _aware(display, root, atom["XdndAware"])
    source = x11.XCreateSimpleWindow(display, root, 0, 0, 1, 1, 0, 0, 0)
    x11.XSetSelectionOwner(display, atom["XdndSelection"], source, 0)

    def send(kind: str, *data: int) -> None:
        event = Event()
        event.client = ClientMessage(CLIENT_MESSAGE, 0, 1, display, window, atom[kind], 32, (c_long * 5)(source, *data))
        x11.XSendEvent(display, window, 0, 0, byref(event))
        x11.XFlush(display)

    def answer(kind: str) -> list[int]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not x11.XPending(display):
                time.sleep(0.01)
                continue
            event = Event()
            x11.XNextEvent(display, byref(event))
            if event.type == SELECTION_REQUEST:
                _serve(display, event.request, atom, f"{path.resolve().as_uri()}\r\n".encode())
            elif event.type == CLIENT_MESSAGE and event.client.message_type == atom[kind]:
                return list(event.client.data)
        raise TimeoutError(kind)

    send("XdndEnter", 5 << 24, atom["text/uri-list"], 0, 0)
    for _ in range(3):
        send("XdndPosition", 0, x << 16 | y, 0, atom["XdndActionCopy"])
        accepted = answer("XdndStatus")[1] & 1
    if not accepted:
        return False
    send("XdndDrop", 0, 0, 0, 0)
    answer("XdndFinished")
    return True


def _aware(display: int, window: int, aware: int) -> int:
    """The first window below this one that takes drops."""
    root, parent, children, count = c_ulong(), c_ulong(), POINTER(c_ulong)(), c_uint()
    x11.XQueryTree(display, window, byref(root), byref(parent), byref(children), byref(count))
    found = [children[index] for index in range(count.value)]
    for child in found:
        kind, width, length, rest, data = c_ulong(), c_int(), c_ulong(), c_ulong(), c_void_p()
        x11.XGetWindowProperty(display, child, aware, 0, 1, 0, 0, byref(kind), byref(width), byref(length), byref(rest),
                               byref(data))
        if kind.value:
            return child
    for child in found:
        if below := _aware(display, child, aware):
            return below
    return 0


def _serve(display: int, request: SelectionRequest, atom: dict[str, int], listed: bytes) -> None:
    """Give the window what it asks for: the file's address."""
    given = request.target == atom["text/uri-list"]
    if given:
        data = (c_ubyte * len(listed)).from_buffer_copy(listed)
        x11.XChangeProperty(display, request.requestor, request.property, request.target, 8, 0, data, len(listed))
    event = Event()
    event.selection = Selection(SELECTION_NOTIFY, 0, 1, display, request.requestor, request.selection, request.target,
                                request.property if given else 0, request.time)
    x11.XSendEvent(display, request.requestor, 0, 0, byref(event))
    x11.XFlush(display)


if __name__ == "__main__":
    sys.exit(0 if drop(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])) else 1)
