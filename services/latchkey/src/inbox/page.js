const newest = document.body.dataset.newest;
document.getElementById("clear").onclick = () => fetch("/messages", { method: "DELETE" }).then(() => location.assign("/"));
const copy = document.getElementById("copy");
if (copy) copy.onclick = () => navigator.clipboard.writeText(copy.dataset.code).then(() => { copy.textContent = "Copied"; });
setInterval(async () => {
  const answer = await fetch("/messages?limit=1").catch(() => null);
  if (!answer || !answer.ok) return;
  const page = await answer.json();
  if ((page.data[0]?.id ?? "") !== newest) location.assign("/");
}, 2000);
