package adapter

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Host is what is looked at.
type Host struct {
	OS    string                    // as runtime.GOOS
	Files fs.FS                     // its files, from the root: sys, proc, etc, usr
	Open  func(device string) error // tries to open a device, by its absolute path
	Lock  Locked                    // what the process may lock that asks
	Need  uint64                    // bytes that it should be able to lock
	Built bool                      // the program that asks can speak to adapters
}

// Here returns this host and process, with its files below root, which is / but where a container has the host's elsewhere.
func Here(root string) Host {
	return Host{
		OS:    runtime.GOOS,
		Files: os.DirFS(root),
		Open: func(device string) error {
			f, err := os.OpenFile(filepath.Join(root, device), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return f.Close()
		},
		Lock: locked(),
	}
}
