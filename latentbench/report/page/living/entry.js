"use strict";
// The one entry point of the page: a part is a file that adds itself here, and all parts start once the page is read.
{
  const parts = [];

  /** Add a part; `start` is called once, may return a promise, and a failure of it costs no other part. */
  function part(name, start) {
    parts.push({ name, start });
  }

  function startAll() {
    for (const each of parts) guarded(each.name, each.start);
    document.documentElement.dataset.living = "ready";
  }

  function guarded(name, start) {
    const fail = (error) => {
      console.error(error);
      trouble(`${name} cannot be shown here (${error.message}).`);
    };
    try {
      Promise.resolve(start()).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  /** Say on the page that something does not work. */
  function trouble(sentence) {
    const box = document.getElementById("trouble");
    if ([...box.children].some((each) => each.textContent === sentence)) return;
    const line = document.createElement("p");
    line.textContent = sentence;
    box.append(line);
    box.hidden = false;
  }

  /** Make an element: properties are set as they are, text is text, children follow. */
  function element(tag, properties = {}, ...children) {
    const { data = {}, ...others } = properties;
    const made = Object.assign(document.createElement(tag), others);
    Object.assign(made.dataset, data);
    made.append(...children);
    return made;
  }

  window.latentbench = { part, guarded, trouble, element };
  document.addEventListener("DOMContentLoaded", startAll);
}
