package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/node"
)

func newSnapshot() *cobra.Command {
	snapshot := &cobra.Command{
		Use:   "snapshot",
		Short: "Keep copies of the registry, and put one back",
		Long: `A snapshot is the whole registry as of one moment: records, leases, sessions, nodes, checkpoints. It holds no items: those
are in rings and stores.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	snapshot.AddCommand(newSnapshotSave(), newSnapshotRestore(), newSnapshotInspect(), newSnapshotVerify())
	return snapshot
}

func newSnapshotSave() *cobra.Command {
	r := &remote{}
	return r.flags(&cobra.Command{
		Use:   "save FILE",
		Short: "Write a snapshot of the registry to FILE",
		Long: `Fetches a snapshot from the leader, through any node. What was acknowledged before is in it. FILE appears, or is replaced,
only when the snapshot is complete, verified and on the disk; only its owner may read it. --timeout bounds the wait for the
first byte.`,
		Example: `  grafnode operator snapshot save registry-$(date +%F).snapshot`,
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				info, err := saveSnapshot(ctx, a, args[0])
				if err != nil {
					return err
				}
				return r.show(cmd, info, "", func(w io.Writer) { snapshotDetail(w, info) })
			})
		},
	})
}

func saveSnapshot(ctx context.Context, a *client.API, path string) (info api.SnapshotInfo, err error) {
	err = replaceFile(path, func(f *os.File) error {
		if _, err := a.SaveSnapshot(ctx, f); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		info, err = node.InspectSnapshot(f)
		return err
	})
	return info, err
}

// replaceFile has write fill a new file and then gives it its name: path has the old content or the new, whole and on the disk.
func replaceFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return usageError{err}
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(usageError{err}, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func newSnapshotRestore() *cobra.Command {
	r := &remote{}
	force := false
	cmd := r.flags(&cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the registry of the whole cluster by a snapshot",
		Long: `Puts the registry back as it was, in a cluster that runs. Edges and checkpoints are as in the snapshot; nodes, sessions, leases
outside edges, and the roles of stages that run stay. Every edge gets a new ring and stages rebind. Every revision and generation
from then on is above all that there ever were, so nothing old is taken for new. The file is verified first, and again by the
leader before anything is changed.

A snapshot of another cluster is refused without --force. For a majority that is gone there is: grafnode operator raft recover.`,
		Example: `  grafnode operator snapshot verify registry.snapshot
  grafnode operator snapshot restore registry.snapshot`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				done, err := restoreSnapshot(ctx, a, args[0], force)
				if err != nil {
					return err
				}
				return r.show(cmd, done, "", func(w io.Writer) {
					fmt.Fprintf(w, "restored %s into cluster %s, now at revision %d\n", args[0], done.Cluster, done.Revision)
				})
			})
		},
	})
	cmd.Flags().BoolVar(&force, "force", false, "also if the snapshot is another cluster's")
	return cmd
}

func restoreSnapshot(ctx context.Context, a *client.API, path string, force bool) (api.RestoreResponse, error) {
	f, info, err := openSnapshot(path)
	if err != nil {
		return api.RestoreResponse{}, err
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return api.RestoreResponse{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return api.RestoreResponse{}, err
	}
	done, err := a.RestoreSnapshot(ctx, f, stat.Size(), force)
	if errors.Is(err, api.ErrUnknown) {
		err = fmt.Errorf("%w; look whether the registry is at revision %d or far above it (grafnode status) before trying again", err, info.Revision)
	}
	return done, err
}

// openSnapshot opens a snapshot and reads all of it once. The file is the caller's to close.
func openSnapshot(path string) (*os.File, api.SnapshotInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, api.SnapshotInfo{}, usageError{err}
	}
	if stat, err := f.Stat(); err != nil || !stat.Mode().IsRegular() {
		return nil, api.SnapshotInfo{}, usageError{errors.Join(fmt.Errorf("%s: is no file", path), err, f.Close())}
	}
	info, err := node.InspectSnapshot(f)
	if err != nil {
		return nil, api.SnapshotInfo{}, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, info, nil
}

func newSnapshotInspect() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "What is in a snapshot",
		Long:  `Reads a snapshot, verifies all of it and says what is in it. No node is asked.`,
		Example: `  grafnode operator snapshot inspect registry.snapshot
  grafnode operator snapshot inspect registry.snapshot --json | jq .revision`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, info, err := openSnapshot(args[0])
			if err != nil {
				return err
			}
			return joinClose(r.show(cmd, info, "", func(w io.Writer) { snapshotDetail(w, info) }), f)
		},
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
	return cmd
}

func newSnapshotVerify() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Whether a snapshot is whole and could be restored",
		Long: `Reads a snapshot to its end, checks every sum and that its parts fit each other. Exit status 0 if it could be restored, 1 if
it is damaged. No node is asked.`,
		Example: `  grafnode operator snapshot verify registry.snapshot || alert`,
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, info, err := openSnapshot(args[0])
			if err != nil {
				return err
			}
			return joinClose(r.show(cmd, info, "", func(w io.Writer) {
				fmt.Fprintf(w, "%s is whole: cluster %s, revision %d, %s\n", args[0], info.Cluster, info.Revision, size(uint64(info.Bytes)))
			}), f)
		},
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
	return cmd
}

func snapshotDetail(w io.Writer, s api.SnapshotInfo) {
	fmt.Fprintf(w, "cluster\t%s\n", dash(s.Cluster))
	fmt.Fprintf(w, "taken\t%s\n", when(s.Taken))
	fmt.Fprintf(w, "revision\t%d, term %d\n", s.Revision, s.Term)
	fmt.Fprintf(w, "level\t%s\n", levelDetail(s.Level))
	fmt.Fprintf(w, "holds\t%d edges, %d leases, %d sessions, %d nodes, %d checkpoints, %d tombstones\n", s.Edges, s.Leases, s.Sessions,
		s.Nodes, s.Checkpoints, s.Tombstones)
	fmt.Fprintf(w, "size\t%s\n", size(uint64(s.Bytes)))
	fmt.Fprintf(w, "sha256\t%s\n", dash(s.Sum))
}
