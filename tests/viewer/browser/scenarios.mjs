// What the tests do to a page. Each scenario gets the tools of drive.mjs and returns plain data,
// which the test of the same subject judges.

export async function figure(tools) {
  const { page, texts, middle, shot } = tools;
  await shot("figure.png");
  const places = {};
  for (const name of ["a", "w1", "w2", "b", "c", "d", "L"])
    places[name] = (await middle(name + ",")).x;
  return {
    places,
    names: (await texts("#stage .look-leaf .symbol")).sort(),
    signs: (await texts("#stage .look-circle .symbol")).sort(),
    captions: (await texts("#stage .caption")).filter(Boolean).sort(),
    local: (await texts("#stage .edge-label.local")).sort(),
    facts: await texts("#stage [aria-label^='w1,'] .fact"),
    crossings: await page.evaluate(() => {
      const lines = [...document.querySelectorAll("#stage .edge .line")].map(
        (line) => {
          const end = line.getTotalLength();
          return [line.getPointAtLength(1), line.getPointAtLength(end - 1)];
        },
      );
      const side = (a, b, c) =>
        Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
      let found = 0;
      for (const [a, b] of lines)
        for (const [c, d] of lines)
          if (
            side(a, b, c) * side(a, b, d) < 0 &&
            side(c, d, a) * side(c, d, b) < 0
          )
            found++;
      return found / 2;
    }),
  };
}

export async function selectNode(tools) {
  const { page, texts, count, click, shot } = tools;
  await click("b,");
  await shot("selected.png");
  return {
    panel: await page.locator("#details").innerText(),
    fractions: await count("#details math mfrac"),
    marked: await texts("#details mark"),
    lit: await count("#stage .edge.lit"),
    dimmed: await count("#stage .box.dimmed"),
    selected: await page.locator("#stage .selected").getAttribute("aria-label"),
  };
}

export async function unfoldAndFold(tools) {
  const { page, item, texts, count, still, click, twice, shot } = tools;
  const sizes = [await count("#stage .box")];
  await twice("blocks:");
  sizes.push(await count("#stage .box"));
  await twice("blocks 0");
  sizes.push(await count("#stage .box"));
  const open = await item("blocks:").getAttribute("aria-expanded");
  await shot("unfolded.png");
  await page.evaluate(() => {
    const around = [...document.querySelectorAll("#stage .around")].find((e) =>
      e.getAttribute("aria-label").startsWith("blocks:"),
    );
    around
      .querySelector("[data-control]")
      .dispatchEvent(new MouseEvent("click", { bubbles: true }));
  });
  await still();
  sizes.push(await count("#stage .box"));
  return { sizes, open, badge: await texts("#stage .badge-text") };
}

export async function overlaps(tools) {
  const { page, twice, shot } = tools;
  await twice("layers:");
  await twice("0:");
  await twice("attention:");
  await shot("attention.png");
  return page.evaluate(() => {
    const boxes = [...document.querySelectorAll("#stage .box .body")].map((e) =>
      e.getBoundingClientRect(),
    );
    let found = 0;
    for (const a of boxes)
      for (const b of boxes)
        if (
          a !== b &&
          a.left < b.right - 1 &&
          b.left < a.right - 1 &&
          a.top < b.bottom - 1 &&
          b.top < a.bottom - 1
        )
          found++;
    return found;
  });
}

export async function unfoldMuch(tools) {
  const { page, count, still, click, shot } = tools;
  let most = 0,
    lines = 0;
  for (let i = 0; i < 40; i++) {
    await page.evaluate((i) => {
      const signs = [
        ...document.querySelectorAll(
          "#stage .box:not([aria-hidden]) [data-control]",
        ),
      ];
      signs[i % signs.length].dispatchEvent(
        new MouseEvent("click", { bubbles: true }),
      );
    }, i);
    most = Math.max(most, await count("#stage .box:not([aria-hidden])"));
    lines = Math.max(lines, await count("#stage .edge"));
  }
  await still();
  await shot("large.png");
  return { most, lines, minor: await page.locator("#quiet-note").innerText() };
}

export async function searchHidden(tools) {
  const { page, texts, count, still } = tools;
  await page.keyboard.press("/");
  await page.keyboard.type("blocks.77.conv2 weight");
  const found = await page.locator("#search-count").innerText();
  await page.keyboard.press("Enter");
  await still();
  const selected = page.locator("#stage .selected");
  return {
    found,
    title: await page.locator("#details h2").innerText(),
    crumbs: await texts("#crumbs button"),
    visible: await selected.isVisible(),
    none: await (async () => {
      await page.fill("#search", "no such thing");
      return page.locator("#search-count").innerText();
    })(),
  };
}

export async function searchCount(tools) {
  const { page, count } = tools;
  await page.fill("#search", tools.words);
  return page.locator("#search-count").innerText();
}

export async function stepBackward(tools) {
  const { page, count, shot } = tools;
  const arrived = [];
  const known = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("#stage .box")]
        .filter((e) => e.querySelector(".fact.grad")?.textContent)
        .map((e) => e.getAttribute("aria-label").split(",")[0]),
    );
  await page.click("#backward-start");
  const steps = [await known()];
  for (let i = 0; i < 3; i++) {
    await page.keyboard.press(".");
    steps.push(await known());
    arrived.push(await count("#stage .box.arrived"));
  }
  const pulses = await count("#stage .edge.pulse");
  const words = await page.locator("#backward-now").innerText();
  await shot("backward.png");
  await page.keyboard.press(",");
  steps.push(await known());
  await page.keyboard.press("Escape");
  return {
    steps: steps.map((list) => list.length),
    arrived,
    pulses,
    words,
    all: (await known()).length,
  };
}

export async function playBackward(tools) {
  const { page } = tools;
  await page.locator("#stage .box").first().focus();
  await page.keyboard.press(" ");
  const pressed = await page.getAttribute("#play", "aria-pressed");
  await page.waitForFunction(() =>
    document.getElementById("backward-counter").textContent.startsWith("11 /"),
  );
  return { pressed, ended: await page.getAttribute("#play", "aria-pressed") };
}

export async function groupProgress(tools) {
  const { page } = tools;
  await page.evaluate(() => {
    const slider = document.getElementById("backward-slider");
    slider.value = String(Math.floor(slider.max / 2));
    slider.dispatchEvent(new Event("input"));
  });
  return page.evaluate(() => {
    const bar = document.querySelector("#stage .tint-repeat .progress");
    return (
      Number(bar.getAttribute("width")) / Number(bar.getAttribute("data-room"))
    );
  });
}

export async function trainingSlider(tools) {
  const { page, count } = tools;
  const facts = () =>
    page.evaluate(
      () =>
        document.querySelector("#stage [aria-label^='w1,'] .value").textContent,
    );
  const last = await facts();
  await page.keyboard.press("[");
  const before = await facts();
  await page.keyboard.press("[");
  const words = await page.locator(".training-now").innerText();
  const bad = await count("#stage .box.bad");
  const curve = await count("#training .sparkline path");
  await page.locator("#training-slider").fill("0");
  return {
    last,
    before,
    words,
    bad,
    curve,
    first: await page.locator(".training-now").innerText(),
  };
}

export async function keyboardAlone(tools) {
  const { page, count, still } = tools;
  const chosen = async () =>
    (await page.locator("#stage .selected").getAttribute("aria-label")).split(
      /[,:]/,
    )[0];
  const walk = [];
  await page.keyboard.press("ArrowDown");
  walk.push(await chosen());
  await page.keyboard.press("ArrowDown");
  walk.push(await chosen());
  const focus = await page.evaluate(() =>
    document.activeElement.getAttribute("aria-label"),
  );
  const before = await count("#stage .box");
  await page.keyboard.press("Enter");
  await still();
  const after = await count("#stage .box");
  await page.keyboard.press("Enter");
  await still();
  const again = await count("#stage .box");
  await page.keyboard.press("?");
  const help = await page.locator("dialog[open] dt").count();
  await page.keyboard.press("Escape");
  const closed = await count("dialog[open]");
  const scale = () =>
    page.evaluate(() =>
      Number(
        /scale\(([\d.]+)/.exec(
          document.getElementById("world").getAttribute("transform"),
        )[1],
      ),
    );
  const scales = [await scale()];
  await page.keyboard.press("+");
  await still();
  scales.push(await scale());
  await page.keyboard.press("f");
  await still();
  await page.keyboard.press("Escape");
  return {
    walk,
    focus,
    before,
    after,
    again,
    help,
    closed,
    scales,
    left: await count("#stage .selected"),
    dimmed: await count("#stage .dimmed"),
  };
}

export async function walkToLoss(tools) {
  const { page, click } = tools;
  await click("w1,");
  const walk = [];
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press("ArrowRight");
    walk.push(
      (await page.locator("#stage .selected").getAttribute("aria-label")).split(
        ",",
      )[0],
    );
  }
  return walk;
}

export async function themes(tools) {
  const { page, click, shot } = tools;
  const colour = () =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const first = await colour();
  await shot("theme.png");
  await page.click("#theme");
  return [first, await colour()];
}

export async function hostile(tools) {
  const { page, count, click, shot } = tools;
  await page.keyboard.press("/");
  await page.keyboard.type("script");
  await page.keyboard.press("Enter");
  await page.locator("#stage .box").first().hover();
  await page.waitForTimeout(300);
  await page.click("#tab-statistics");
  await shot("hostile.png");
  await page.click("#tab-profile");
  await page.waitForTimeout(200);
  return {
    hacked: await page.evaluate(() => window.hacked ?? null),
    images: await count("img"),
    scripts: await count("script"),
    heading: await page.evaluate(
      () => document.querySelector("h1").textContent,
    ),
  };
}

export async function statistics(tools) {
  const { page, texts, count, click } = tools;
  await page.click("#tab-statistics");
  const tiles = await texts("#statistics .tile");
  await page.locator("#statistics .row", { hasText: "mul" }).first().click();
  const lit = 11 - (await count("#stage .box.dimmed"));
  await page.locator("#statistics .row", { hasText: "mul" }).first().click();
  return { tiles, lit, dimmed: await count("#stage .dimmed") };
}

export async function flame(tools) {
  const { page, count, still, click, shot } = tools;
  await page.click("#tab-profile");
  await still();
  const colours = () =>
    page.evaluate(() => {
      const canvas = document.getElementById("flame");
      const data = canvas
        .getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data;
      const found = new Set();
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] === 255)
          found.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      return found.size;
    });
  const painted = await colours();
  await page.locator("#flame").click({ position: { x: 30, y: 40 } });
  const panel = await page.locator("#profile-side").innerText();
  await page.keyboard.press("ArrowDown");
  const below = await page.locator("#profile-side h2").innerText();
  await page.keyboard.press("Enter");
  await still();
  await page.fill("#flame-search", "relu");
  const found = await page.locator("#flame-count").innerText();
  await shot("flame.png");
  return { painted, panel, below, found };
}

export async function saveSvg(tools) {
  const { page, click } = tools;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click("#save"),
  ]);
  await download.saveAs(tools.file("saved.svg"));
}

export async function chooseFold(tools) {
  const { page, texts, count, still } = tools;
  const choices = await texts("#fold option");
  const sizes = [];
  for (const way of ["module", "line", "none"]) {
    await page.selectOption("#fold", way);
    await still();
    sizes.push(await count("#stage .box"));
  }
  return { choices, sizes };
}

export async function turn(tools) {
  const { page, still, middle, click, shot } = tools;
  const ends = async () => [await middle("w1,"), await middle("L,")];
  const before = await ends();
  await page.click("#direction");
  await still();
  await shot("down.png");
  return [before, await ends()];
}

export async function accessibility(tools) {
  const { page, count } = tools;
  await page.keyboard.press("ArrowDown");
  return {
    role: await page.getAttribute("#stage", "role"),
    unnamed: await page.evaluate(
      () =>
        [...document.querySelectorAll("button, input, select")].filter(
          (e) =>
            !(
              e.getAttribute("aria-label") ||
              e.textContent.trim() ||
              e.labels?.length
            ),
        ).length,
    ),
    items: await count("#stage [role=treeitem][aria-label]"),
    tabbable: await count("#stage [tabindex='0']"),
    spoken: await page.locator("#live").textContent(),
  };
}

export async function formulaWords(tools) {
  const { texts, click } = tools;
  await click("L,");
  return texts("#details .formulas math[display] mtext");
}

export async function flameVisible(tools) {
  return tools.page.locator("#flame").isVisible();
}

/** Selects every box with the keyboard and the mouse, and uses every control. */
export async function useEverything(tools) {
  const { page, count, still } = tools;
  const boxes = await count("#stage .box");
  for (let at = 0; at < boxes; at++) {
    await page.locator("#stage .box").nth(at).locator(".body").click();
  }
  for (const key of [
    "ArrowLeft",
    "ArrowUp",
    "ArrowRight",
    " ",
    ".",
    ",",
    "[",
    "f",
    "+",
    "Escape",
  ]) {
    await page.keyboard.press(key);
  }
  await page.click("#tab-statistics");
  await page.click("#direction");
  await still();
  return boxes;
}

export async function otherStep(tools) {
  const { page, count, still } = tools;
  const sizes = [await count("#stage .box")];
  for (const key of ["[", "]"]) {
    await page.keyboard.press(key);
    await still();
    sizes.push(await count("#stage .box"));
  }
  return sizes;
}
