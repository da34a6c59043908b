"use strict";
// What mouse, finger and keys do on a map. Events say what was meant: "pointed" (an item or -1),
// "lassoed" (items), "stepped" (1 or -1), "chosen" (a click: the nearest item or -1, and the place on the map).
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
  };

  function tell(view, name, detail) {
    view.canvas.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Let a view be moved; `lassoing()` says whether a drag draws a lasso. */
  function attach(view, lassoing) {
    const { canvas } = view;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag = { lasso: lassoing() || event.shiftKey, path: [at(event)] };
    });
    canvas.addEventListener("pointermove", (event) => (drag ? move(view, drag, at(event)) : tell(view, "pointed", view.itemAt(...at(event)))));
    canvas.addEventListener("pointerup", () => {
      if (drag) finish(view, drag);
      drag = null;
    });
    canvas.addEventListener("pointercancel", () => (drag = view.lasso = null));
    canvas.addEventListener("pointerleave", () => tell(view, "pointed", -1));
    canvas.addEventListener("wheel", (event) => turn(view, event), { passive: false });
    canvas.addEventListener("keydown", (event) => press(view, event));
  }

  function at(event) {
    return [event.offsetX, event.offsetY];
  }

  function move(view, drag, [x, y]) {
    const [lastX, lastY] = drag.path.at(-1);
    drag.path.push([x, y]);
    if (drag.lasso) {
      view.lasso = drag.path;
      view.ask();
    } else {
      view.pan((x - lastX) / view.canvas.clientWidth, (lastY - y) / view.canvas.clientWidth);
    }
  }

  function finish(view, { lasso, path }) {
    const [start, end] = [path[0], path.at(-1)];
    const far = path.some(([x, y]) => Math.hypot(x - start[0], y - start[1]) > CLICK);
    view.lasso = null;
    if (!far) tell(view, "chosen", { item: view.itemAt(...end), place: view.placeAt(...end) });
    else if (lasso) tell(view, "lassoed", view.itemsIn(path));
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
    does(view);
  }

  latentbench.attachGestures = attach;
}
