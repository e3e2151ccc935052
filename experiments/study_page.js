const study = JSON.parse(document.getElementById("study").textContent);
const place = "study-" + study.about.study;
const fresh = () => ({...study.about, voter: Array.from(crypto.getRandomValues(new Uint32Array(2)),
  (word) => word.toString(16).padStart(8, "0")).join(""), votes: []});
const kept = () => { try { return JSON.parse(localStorage.getItem(place)); } catch { return null; } };
let state = kept() || fresh();
let shown = performance.now();
const element = (id) => document.getElementById(id);
function show() {
  const number = state.votes.length, done = number === study.about.pairs;
  element("ask").hidden = done;
  element("done").hidden = !done;
  element("count").textContent = done ? `All ${number} pairs are done.` : `Pair ${number + 1} of ${study.about.pairs}`;
  element("bar").value = number;
  if (!done) [element("left-picture").src, element("right-picture").src] = study.pictures[number];
  element("undo").disabled = number === 0;
  shown = performance.now();
}
function keep() {
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { /* storage is refused: the votes can still be saved as a file */ }
  show();
}
function vote(side) {
  if (state.votes.length === study.about.pairs) return;
  state.votes.push({pair: state.votes.length, side, milliseconds: Math.round(performance.now() - shown)});
  keep();
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(state, null, 1)], {type: "application/json"}));
  link.download = `votes_${state.study}_${state.voter}.json`;
  link.click();
}
element("left").onclick = () => vote("left");
element("right").onclick = () => vote("right");
element("undo").onclick = () => { state.votes.pop(); keep(); };
element("save").onclick = save;
element("again").onclick = () => { if (confirm("Forget all votes?")) { state = fresh(); keep(); } };
document.onkeydown = (event) => {
  if (!event.repeat && event.key === "ArrowLeft") vote("left");
  if (!event.repeat && event.key === "ArrowRight") vote("right");
};
show();
