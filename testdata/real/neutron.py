#!/usr/bin/python3
"""A Neutron that knows nothing: Nova asks it for security groups and ports when it lists servers."""

import http.server
import json
import sys
import urllib.parse


class Empty(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path.removesuffix(".json")
        collection = path.rstrip("/").rpartition("/")[2].replace("-", "_")
        body = json.dumps({collection: []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Empty).serve_forever()
