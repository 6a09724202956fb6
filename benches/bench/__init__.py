"""The speed table, piece by piece: what is measured (`rows`), on whom (`servers`), where (`machine`), how (`measure`), and
what is made of it (`report`, `picture`). `benches/run` is the program."""
