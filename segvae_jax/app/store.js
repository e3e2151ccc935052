// The session of this browser with this model, from before the page was loaded again.
let held = null;
try {
  held = localStorage.getItem(`segvae:${props.value}`);
} catch { /* the browser keeps nothing */ }
if (held) setTimeout(() => trigger("restore", { session: held }), 0);
