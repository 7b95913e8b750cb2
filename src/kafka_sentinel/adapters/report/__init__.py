"""How a report looks: Markdown, one HTML file, JSON. What it says is `core/report/`."""
