"use strict";
// What mouse, finger and keys do on a map. Events say what was meant: "pointed" (an item or -1),
// "lassoed" (items), "stepped" (1 or -1), "chosen" (a click: the nearest item or -1, and the place on the map),
// "dragged" (the place to which the cross was moved).
{
  const STEP = 0.1; // of the side, that an arrow key moves
  const CLICK = 4; // CSS pixels: a shorter way is a click
  const KEYS = {
    ArrowLeft: (view) => view.pan(STEP, 0),
    ArrowRight: (view) => view.pan(-STEP, 0),
    ArrowUp: (view) => view.pan(0, -STEP),
    ArrowDown: (view) => view.pan(0, STEP),
    "+": (view) => view.zoom(1.25),
    "=": (view) => view.zoom(1.25),
    "-": (view) => view.zoom(0.8),
    0: (view) => view.look(0, 0, 1),
    ".": (view) => tell(view, "stepped", 1),
    ",": (view) => tell(view, "stepped", -1),
    Escape: (view) => tell(view, "lassoed", []),
    Enter: (view) => tell(view, "chosen", { item: -1, place: middle(view) }),
  };
  const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const NUDGE = 0.02; // of the side, that an arrow key with Shift moves the cross

  function tell(view, name, detail) {
    view.canvas.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Let a view be moved; `mode()` says what a drag does beside: "lasso", "decode" or nothing. */
  function attach(view, mode) {
    const { canvas } = view;
    const pinch = new latentbench.Pinch(view);
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const several = pinch.down(event.pointerId, at(event)) > 1;
      if (several) view.lasso = null;
      drag = several ? null : { does: meant(view, event, mode()), path: [at(event)] };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag) move(view, drag, at(event));
      else if (pinch.fingers.size === 2 && pinch.fingers.has(event.pointerId)) pinch.move(event.pointerId, at(event));
      else if (!pinch.fingers.size) tell(view, "pointed", view.itemAt(...at(event)));
    });
    canvas.addEventListener("pointerup", (event) => {
      pinch.up(event.pointerId);
      if (drag) finish(view, drag);
      drag = null;
    });
    canvas.addEventListener("pointercancel", (event) => {
      pinch.up(event.pointerId);
      drag = view.lasso = null;
    });
    canvas.addEventListener("pointerleave", () => tell(view, "pointed", -1));
    canvas.addEventListener("wheel", (event) => turn(view, event), { passive: false });
    canvas.addEventListener("keydown", (event) => press(view, event));
  }

  function at(event) {
    return [event.offsetX, event.offsetY];
  }

  /** Return what a drag that begins so does: Shift draws a lasso, the cross is moved. */
  function meant(view, event, mode) {
    if (event.shiftKey) return "lasso";
    return latentbench.onCross(view, at(event)) ? "decode" : mode;
  }

  function move(view, drag, [x, y]) {
    const [lastX, lastY] = drag.path.at(-1);
    drag.path.push([x, y]);
    if (drag.does === "lasso") {
      view.lasso = drag.path;
      view.ask();
    } else if (drag.does === "decode") {
      tell(view, "dragged", view.placeAt(x, y));
    } else {
      view.pan((x - lastX) / view.canvas.clientWidth, (lastY - y) / view.canvas.clientWidth);
    }
  }

  function finish(view, { does, path }) {
    const [start, end] = [path[0], path.at(-1)];
    const far = path.some(([x, y]) => Math.hypot(x - start[0], y - start[1]) > CLICK);
    view.lasso = null;
    if (!far) tell(view, "chosen", { item: view.itemAt(...end), place: view.placeAt(...end) });
    else if (does === "lasso") tell(view, "lassoed", view.itemsIn(path));
    view.ask();
  }

  /** Zoom by the wheel where the map has the focus, so that a page scrolls over maps that nobody uses. */
  function turn(view, event) {
    if (document.activeElement !== view.canvas && !event.ctrlKey) return;
    event.preventDefault();
    const side = view.canvas.clientWidth;
    view.zoom(Math.exp(-event.deltaY / 300), event.offsetX / side - 0.5, 0.5 - event.offsetY / side);
  }

  function press(view, event) {
    const does = KEYS[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.shiftKey && NUDGES[event.key]) nudge(view, NUDGES[event.key]);
    else does(view);
  }

  function middle(view) {
    const half = view.canvas.clientWidth / 2;
    return view.placeAt(half, half);
  }

  function nudge(view, steps) {
    const side = (view.side / view.camera[2]) * NUDGE;
    const place = view.cross?.place ?? middle(view);
    tell(view, "dragged", place.map((each, axis) => each + steps[axis] * side));
  }

  latentbench.attachGestures = attach;
}
