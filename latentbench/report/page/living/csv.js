"use strict";
// Tables as CSV files.
{
  const FORMULA = /^[=+\-@\t\r]/; // spreadsheets would compute a text that begins so

  /** Return rows of numbers and texts as CSV; texts stay texts in a spreadsheet. */
  function csv(rows) {
    return rows.map((row) => row.map(entry).join(",") + "\r\n").join("");
  }

  function entry(value) {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const text = FORMULA.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  /** Hand a text to the reader as a file. */
  function download(name, text) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    latentbench.element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  latentbench.csv = csv;
  latentbench.download = download;
}
