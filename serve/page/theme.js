// Puts on the theme that was chosen, if one was; otherwise the system's is on. A plain script, so that it runs before anything is drawn.

try {
    const theme = localStorage.getItem("tercet.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
    // A browser that keeps nothing has the system's.
}
