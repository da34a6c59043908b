"use strict";
// What the reader has chosen stands in the address, behind #, so that a copied address shows the same page.
{
  function read() {
    return new URLSearchParams(location.hash.slice(1));
  }

  /** Return what is chosen under a key, or `otherwise`. */
  function get(key, otherwise = "") {
    return read().get(key) ?? otherwise;
  }

  /** Choose a value; an empty one takes the key out of the address. */
  function set(key, value) {
    const chosen = read();
    if (value === "") chosen.delete(key);
    else chosen.set(key, value);
    history.replaceState(null, "", `#${chosen}`);
  }

  latentbench.state = { get, set };
}
