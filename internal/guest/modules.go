package guest

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// loadOrder returns the files of the wanted modules below dir and of those that they depend on, these first. What stands in the kernel
// itself is left out.
func loadOrder(dir string, wanted []string) ([]string, error) {
	files := map[string]string{}
	builtin := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case strings.HasSuffix(path, ".ko"):
			files[moduleName(path)] = path
		case d.Name() == "modules.builtin":
			return readBuiltin(path, builtin)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var order []string
	var add func(name string, above []string) error
	add = func(name string, above []string) error {
		path, ok := files[name]
		switch {
		case slices.Contains(above, name):
			return fmt.Errorf("module %s depends on itself", name)
		case builtin[name] || slices.Contains(order, path) && ok:
			return nil
		case !ok:
			return fmt.Errorf("%w: its kernel has no module %s", ErrUnavailable, name)
		}
		needs, err := depends(path)
		if err != nil {
			return err
		}
		for _, need := range needs {
			if err := add(need, append(above, name)); err != nil {
				return err
			}
		}
		order = append(order, path)
		return nil
	}
	for _, name := range wanted {
		if err := add(name, nil); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleName returns the name that a module has in the kernel.
func moduleName(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}

func readBuiltin(path string, into map[string]bool) error {
	b, err := readLines(path)
	for _, line := range b {
		into[moduleName(line)] = true
	}
	return err
}

// depends returns the names of the modules that a module says it needs.
func depends(path string) (names []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("module %s does not say what it needs", path)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", path, err)
	}
	for entry := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(entry), "depends="); ok && list != "" {
			for name := range strings.SplitSeq(list, ",") {
				names = append(names, strings.ReplaceAll(name, "-", "_"))
			}
		}
	}
	return names, nil
}
