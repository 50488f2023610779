"""What the server does beside running pages: headers that keep a page to itself, its status, loading the core at the start."""
