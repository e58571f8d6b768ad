// The access page with scripts: details beside the table, arrow keys, and the log as it grows.
// Without them every cell is a link, and every form works.
"use strict";

(() => {
  const main = document.getElementById("main");
  const table = document.getElementById("table");
  const panel = document.getElementById("panel");
  if (!table || !panel) return;
  const details = document.getElementById("details");
  const close = document.getElementById("close");
  const progress = document.getElementById("progress");
  const rest = details.innerHTML;
  let opener = null;

  const ask = async (url, options) => {
    const answer = await fetch(url, { credentials: "same-origin", headers: { "X-Part": "1" }, ...options });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };

  // --- the grid: one cell is in the tab order, arrow keys move ---

  const rows = () => [...table.querySelectorAll("tbody tr")].map((row) =>
    [...row.querySelectorAll(".cell")]);

  const settle = (wanted) => {
    const cells = [...table.querySelectorAll(".cell")];
    cells.forEach((cell) => { cell.tabIndex = -1; });
    const first = wanted && cells.includes(wanted) ? wanted : rows().flat()[0];
    if (first) first.tabIndex = 0;
  };

  const move = (cell, event) => {
    const grid = rows();
    const y = grid.findIndex((row) => row.includes(cell));
    if (y < 0) return;
    const x = grid[y].indexOf(cell);
    const last = grid[y].length - 1;
    const whole = event.ctrlKey || event.metaKey;
    const to = {
      ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1], ArrowUp: [y - 1, x], ArrowDown: [y + 1, x],
      Home: [whole ? 0 : y, 0], End: [whole ? grid.length - 1 : y, last],
    }[event.key];
    const next = to && grid[to[0]] && grid[to[0]][to[1]];
    if (!to) return;
    event.preventDefault();
    if (!next) return;
    settle(next);
    next.focus({ preventScroll: true });
    reveal(next);
  };

  const reveal = (cell) => cell.scrollIntoView({ block: "nearest", inline: "nearest" });

  const grid = () => {
    const matrix = document.getElementById("matrix");
    matrix.setAttribute("role", "grid");
    settle(null);
  };

  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".cell");
    if (cell) move(cell, event);
  });

  // --- details ---

  const show = (told) => {
    details.innerHTML = told.html;
    main.classList.add("open");
    close.hidden = false;
    if (opener) {
      const made = document.createElement("template");
      made.innerHTML = told.cell;
      const fresh = made.content.firstElementChild;
      opener.replaceWith(fresh);
      opener = fresh;
      table.querySelectorAll("[aria-current]").forEach((each) => each.removeAttribute("aria-current"));
      opener.setAttribute("aria-current", "true");
      settle(opener);
      reveal(opener);
    }
    panel.scrollTop = 0;
    document.getElementById("details-title").focus();
  };

  const fail = (error) => {
    const told = document.createElement("p");
    told.className = "problem";
    told.textContent = error.message || "The page could not be asked: is it still running?";
    details.replaceChildren(told);
    main.classList.add("open");
    close.hidden = false;
  };

  const shut = () => {
    if (!main.classList.contains("open")) return;
    main.classList.remove("open");
    close.hidden = true;
    details.innerHTML = rest;
    table.querySelectorAll("[aria-current]").forEach((each) => each.removeAttribute("aria-current"));
    if (opener && opener.isConnected) opener.focus();
    opener = null;
  };

  table.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = cell;
    ask(cell.href).then(show, fail);
  });
  close.addEventListener("click", shut);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
  });

  details.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.classList.contains("call")) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    ask(form.action, { method: "POST", body }).then(show, fail);
  });

  // --- calls that take longer than the page waited ---

  const more = async () => {
    const pending = Number(document.getElementById("matrix").dataset.pending);
    progress.textContent = pending ? `${pending} calls are still being made` : "";
    if (!pending) return;
    const focused = table.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scroller = document.getElementById("scroller");
    const place = [scroller.scrollLeft, scroller.scrollTop];
    const told = await ask(`/table?${table.dataset.query}`);
    table.innerHTML = told.html;
    const now = document.getElementById("scroller");
    [now.scrollLeft, now.scrollTop] = place;
    grid();
    const again = focused && [...table.querySelectorAll(".cell")].find((each) => each.getAttribute("href") === focused);
    if (again) { settle(again); again.focus(); }
    more();
  };

  // --- the log ---

  const log = document.getElementById("log");
  const pause = document.getElementById("pause");
  const only = document.getElementById("refused-only");
  const EVERY = 1500;
  const MOST = 500;
  let paused = false;

  const listen = async () => {
    if (!paused && !document.hidden) {
      try {
        const told = await ask(`/log?after=${log.dataset.last}`);
        if (told.last !== null) {
          log.dataset.last = told.last;
          log.insertAdjacentHTML("afterbegin", told.html);
          while (log.children.length > MOST) log.lastElementChild.remove();
          const empty = log.parentElement.querySelector(".empty");
          if (empty) empty.hidden = true;
        }
      } catch { /* the page has ended, or will answer again */ }
    }
    setTimeout(listen, EVERY);
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
  });
  only.addEventListener("change", () => log.classList.toggle("refused-only", only.checked));

  grid();
  more();
  setTimeout(listen, EVERY);
})();
