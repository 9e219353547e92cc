"""The vocabulary that all parts share: settings, messages, connections, the client for consumers of alerts."""
