"use strict";
// Graphs that can be moved and searched, drawn by cytoscape when they are seen. Without scripts, figures stand there.
const COLOURS = { for: "#b2182b", against: "#2166ac", off: "#9a9a9a" };

function drawn(section) {
  const elements = JSON.parse(section.querySelector("script").textContent);
  const [select, said] = [section.querySelector("select"), section.querySelector(".said")];
  const coloured = Object.entries(COLOURS).flatMap(([look, colour]) => [
    { selector: `node[look="${look}"]`, style: { "background-color": colour } },
    { selector: `edge[look="${look}"]`, style: { "line-color": colour } },
  ]);
  const graph = cytoscape({
    container: section.querySelector(".canvas"), elements, layout: { name: "preset", fit: true, padding: 12 },
    autoungrabify: true, minZoom: 0.05, maxZoom: 8,
    style: [
      { selector: "node", style: { width: "data(size)", height: "data(size)", "border-width": 0.5, "border-color": "#fff" } },
      { selector: "edge", style: { width: "data(width)", opacity: 0.5, "curve-style": "straight" } },
      ...coloured,
      { selector: ".faint", style: { opacity: 0.06 } },
      { selector: ".chosen", style: { "border-width": 2, "border-color": "#000" } },
    ],
  });
  const choose = (id) => {
    const node = graph.getElementById(id);
    graph.elements().removeClass("faint chosen");
    said.textContent = "";
    if (!node.length) return;
    graph.elements().not(node.closedNeighborhood()).addClass("faint");
    node.addClass("chosen");
    const strong = node.connectedEdges().sort((a, b) => Math.abs(b.data("value")) - Math.abs(a.data("value")));
    const near = strong.slice(0, 5).map((edge) => `${edge.connectedNodes().not(node).first().data("said")} (${edge.data("value")})`);
    said.textContent = `${node.data("said")}: share of relevance ${node.data("share")}. Strongest lines: ${near.join("; ") || "none"}.`;
  };
  for (const { data } of elements.nodes) select.add(new Option(data.said, data.id));
  select.addEventListener("change", () => choose(select.value));
  graph.on("tap", (event) => {
    select.value = event.target !== graph && event.target.isNode() ? event.target.id() : "";
    choose(select.value);
  });
  if (graph.zoom() > 2) graph.zoom(2).center();
}

for (const section of document.querySelectorAll("section.graph")) {
  section.querySelector(".explore").hidden = false;
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    drawn(section);
  }).observe(section.querySelector(".canvas"));
}
