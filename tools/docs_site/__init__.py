"""The documentation as a site, and the README as a page of a package index: what Markdown alone cannot say."""
