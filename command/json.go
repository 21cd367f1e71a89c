package command

import (
	"encoding/json"
	"io"

	"nfs-exportd/printable"
)

// printJSON prints a value as one JSON object that a terminal may show.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(printable.JSON(w))
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
