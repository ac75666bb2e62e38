package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repository is the folder of a bare git repository, as a server has it.
type repository string

func createRepository(ctx context.Context, folder string) (repository, error) {
	return repository(folder), runQuietly(git(ctx, "", "init", "--quiet", "--bare", "--initial-branch=main", folder))
}

// commit adds a commit that adds or replaces files. Its time is that of the
// commit's number in seconds, so that the same commits have the same names.
func (r repository) commit(ctx context.Context, number int, message string, files contents) error {
	command := git(ctx, string(r), "fast-import", "--quiet")
	stream, err := command.StdinPipe()
	if err != nil {
		return err
	}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	err = writeCommit(stream, number, message, files)
	if err := errors.Join(err, stream.Close(), command.Wait()); err != nil {
		return fmt.Errorf("commit %q: %w\n%s", message, err, &output)
	}
	return nil
}

// writeCommit writes a commit as git-fast-import(1) reads it.
func writeCommit(stream io.Writer, number int, message string, files contents) error {
	out := bufio.NewWriter(stream)
	const began = 1_760_000_000
	fmt.Fprintf(out, "commit refs/heads/main\ncommitter Bench <bench@localhost> %d +0000\ndata %d\n%s\n", began+number, len(message), message)
	if number > 0 {
		fmt.Fprintln(out, "from refs/heads/main^0")
	}
	for path, content := range files {
		fmt.Fprintf(out, "M 100644 inline %s\ndata %d\n%s\n", path, len(content), content)
	}
	return out.Flush()
}

// pack makes one pack of all commits, as a server sends it to who clones.
func (r repository) pack(ctx context.Context) error {
	return runQuietly(git(ctx, string(r), "repack", "-a", "-d", "--quiet"))
}

// clone makes a clone with the full history and checks out the last commit, as
// a CI job finds it.
func (r repository) clone(ctx context.Context, folder string) error {
	return runQuietly(git(ctx, "", "clone", "--quiet", string(r), folder))
}

// shortName is what the hand-written pipeline and sitectl both tag the image
// of the commit with that is checked out.
func shortName(ctx context.Context, clone string) (string, error) {
	output, err := git(ctx, clone, "rev-parse", "--short", "HEAD").Output()
	return strings.TrimSpace(string(output)), err
}

// git runs git without the configuration of the person who runs the bench.
func git(ctx context.Context, folder string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	return command
}

// runQuietly runs a command whose output matters only if it fails.
func runQuietly(command *exec.Cmd) error {
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{filepath.Base(command.Path)}, command.Args[1:]...), " "), err, &output)
	}
	return nil
}
