"use strict";
// A set of items as a short text for the address: the gaps between their numbers, or a bit for each item.
{
  const LONGEST = 12_000; // characters: a bit for each of 72,000 items
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  function gaps(items) {
    const bytes = [];
    items.forEach((item, place) => {
      let gap = item - (place ? items[place - 1] + 1 : 0);
      for (; gap > 127; gap = Math.floor(gap / 128)) bytes.push(128 + (gap % 128));
      bytes.push(gap);
    });
    return bytes;
  }

  function fromGaps(bytes) {
    const items = [];
    let [item, gap, unit] = [0, 0, 1];
    for (const byte of bytes) {
      gap += (byte % 128) * unit;
      unit *= 128;
      if (byte > 127) continue;
      item += gap;
      items.push(item++);
      [gap, unit] = [0, 1];
    }
    return items;
  }

  function bits(items) {
    const bytes = new Array(((items.at(-1) ?? -1) >> 3) + 1).fill(0);
    for (const item of items) bytes[item >> 3] |= 1 << (item & 7);
    return bytes;
  }

  function fromBits(bytes) {
    return bytes.flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => 8 * at + bit));
  }

  function letters(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const three = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      for (let letter = 0; letter < Math.min(3, bytes.length - at) + 1; letter++) text += LETTERS[(three >> (18 - 6 * letter)) & 63];
    }
    return text;
  }

  function fromLetters(text) {
    const bytes = [];
    let [held, count] = [0, 0];
    for (const letter of text) {
      held = ((held << 6) | LETTERS.indexOf(letter)) & 0xffff;
      count += 6;
      if (count >= 8) bytes.push((held >> (count -= 8)) & 255);
    }
    return bytes;
  }

  /** Return items, in ascending order, as a text; "" where it would be too long. */
  function written(items) {
    const [one, other] = [gaps(items), bits(items)];
    const text = one.length <= other.length ? `g${letters(one)}` : `b${letters(other)}`;
    return items.length && text.length <= LONGEST ? text : "";
  }

  /** Return the items that a text names, those below `count`. */
  function read(text, count) {
    if (!/^[gb][\w-]*$/.test(text)) return [];
    const bytes = fromLetters(text.slice(1));
    return (text[0] === "g" ? fromGaps(bytes) : fromBits(bytes)).filter((item) => item < count);
  }

  latentbench.itemSets = { written, read };
}
