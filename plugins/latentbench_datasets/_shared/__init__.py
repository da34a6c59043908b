"""What several datasets share: classes, downloads, fingerprints, and formats of published files."""
