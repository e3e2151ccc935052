// The browser keeps the session that can be downloaded; `store.js` sends it after a reload.
function hold() {
  const link = element.querySelector("[data-session]");
  if (!link) return;
  try {
    localStorage.setItem(`segvae:${link.dataset.session}`, atob(link.href.split(",")[1]));
  } catch { /* without storage, or with a full one, a session does not survive a reload; its download does */ }
}
watch("value", hold);
