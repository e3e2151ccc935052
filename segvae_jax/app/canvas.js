// The large map, and the region of it that is brushed: one byte per pixel of the map, sent as a PNG in `props.value.region`.
const find = (query) => element.querySelector(query);
const [stage, map, veil, size] = [".stage", "img", "canvas", "input"].map(find);
const [hint, tools, clear, play, asPicture] = [".hint", ".tools", "[data-clear]", "[data-play]", "[data-picture]"].map(find);
const kinds = [...element.querySelectorAll("[data-tool]")];
const pen = veil.getContext("2d");
let region = new Uint8Array(0), spot = null, tool = null, url = null, wanted = false;

const radius = () => (size.value / 100) * Math.max(veil.width, veil.height);
const near = (x, y) => spot && Math.hypot(x - spot.x, y - spot.y) <= radius();

// What may not change is dimmed; a soft light is under the brush.
function draw() {
  const pixels = pen.createImageData(veil.width, veil.height);
  const some = region.some(Boolean);
  region.forEach((inside, i) => {
    const lit = tool && near(i % veil.width, Math.floor(i / veil.width));
    if (lit) pixels.data.set([255, 255, 255, 110], 4 * i);
    else if (some && !inside) pixels.data.set([12, 14, 24, 165], 4 * i);
  });
  pen.putImageData(pixels, 0, 0);
}

function encoded() {
  if (!region.some(Boolean)) return "";
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [veil.width, veil.height];
  const pixels = new ImageData(veil.width, veil.height);
  region.forEach((inside, i) => pixels.data.set([255 * inside, 255 * inside, 255 * inside, 255], 4 * i));
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture.toDataURL("image/png").split(",")[1];
}

const send = () => { props.value = { ...props.value, region: encoded() }; };

function stroke() {
  region.forEach((_, i) => {
    if (near(i % veil.width, Math.floor(i / veil.width))) region[i] = tool === "brush" ? 1 : 0;
  });
  draw();
}

// From the last spot to this one, so that a fast hand leaves no gaps.
function move(event) {
  const box = veil.getBoundingClientRect();
  const end = {
    x: ((event.clientX - box.left) / box.width) * veil.width - 0.5,
    y: ((event.clientY - box.top) / box.height) * veil.height - 0.5,
  };
  const start = spot ?? end;
  const steps = event.buttons ? Math.ceil(Math.hypot(end.x - start.x, end.y - start.y) / Math.max(radius(), 1)) : 0;
  for (let step = 1; step <= steps; step++) {
    const share = step / steps;
    spot = { x: start.x + share * (end.x - start.x), y: start.y + share * (end.y - start.y) };
    stroke();
  }
  spot = end;
  draw();
}

function use(kind) {
  tool = tool === kind ? null : kind;
  spot = null;
  kinds.forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === tool));
  stage.classList.toggle("brushing", tool !== null);
  veil.tabIndex = tool ? 0 : -1;
  draw();
}

// The map, or its picture if there is one and the user wants to see it.
function stop() {
  const pictured = wanted && Boolean(props.value.picture);
  const shown = pictured ? props.value.picture : url;
  if (map.src !== shown) map.src = shown;
  map.alt = pictured ? "the map as a picture" : "the map";
  stage.classList.toggle("picture", pictured);
  veil.hidden = false;
  play.textContent = "▶ Growth";
}

function show() {
  const { map: latest, picture, height, width, same, growth } = props.value;
  asPicture.hidden = !picture;
  stage.hidden = tools.hidden = !latest;
  hint.hidden = Boolean(latest);
  if (!latest) return;
  if (!same || veil.width !== width || veil.height !== height) {
    [veil.width, veil.height] = [width, height];
    region = new Uint8Array(width * height);
  }
  stage.style.setProperty("--ratio", width / height);
  const changed = url !== latest;
  url = latest;
  stop();
  if (changed) map.decode().then(() => stage.scrollIntoView({ block: "nearest", behavior: "smooth" }), () => {});
  if (growth) {
    map.src = growth;
    veil.hidden = true;
    play.textContent = "■ Stop";
  }
  draw();
  send();
}

kinds.forEach((button) => button.addEventListener("click", () => use(button.dataset.tool)));
clear.addEventListener("click", () => { region.fill(0); draw(); send(); });
asPicture.addEventListener("click", () => {
  wanted = !wanted;
  asPicture.setAttribute("aria-pressed", wanted);
  stop();
});
play.addEventListener("click", () => (veil.hidden ? stop() : trigger("play")));
veil.addEventListener("pointerdown", (event) => {
  if (!tool) return;
  veil.setPointerCapture(event.pointerId);
  spot = null;
  move(event);
  stroke();
});
veil.addEventListener("pointermove", (event) => { if (tool) move(event); });
veil.addEventListener("pointerup", () => { if (tool) send(); });
veil.addEventListener("pointerleave", () => { spot = null; draw(); });
veil.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!tool || !(event.key in moves || event.key === " ")) return;
  event.preventDefault();
  spot ??= { x: veil.width / 2, y: veil.height / 2 };
  const [x, y] = moves[event.key] ?? [0, 0];
  const pace = Math.max(1, radius() / 2);
  spot = { x: Math.min(Math.max(spot.x + pace * x, 0), veil.width), y: Math.min(Math.max(spot.y + pace * y, 0), veil.height) };
  if (event.key === " ") { stroke(); send(); }
  draw();
});
watch("value", show);
show();
