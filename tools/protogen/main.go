// Command protogen compiles the .proto files of the message contract and runs protoc plugins
// over them: what `protoc` does, without a binary that is not a Go module.
//
// # Usage
//
//	protogen ROOT OUT PLUGIN...
//
// ROOT is the folder that imports are relative to, OUT receives the plugins' files, PLUGIN is the
// path of a protoc-gen-* program, with its parameter behind a colon where it takes one.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: protogen ROOT OUT PLUGIN...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(root, out string, plugins []string) error {
	names, err := protoFiles(root)
	if err != nil {
		return fmt.Errorf("list protos: %w", err)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return fmt.Errorf("compile protos: %w", err)
	}
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, ProtoFile: inOrder(files)}
	for _, plugin := range plugins {
		path, parameter, _ := strings.Cut(plugin, ":")
		req.Parameter = proto.String(parameter)
		if err := generate(req, path, out); err != nil {
			return fmt.Errorf("run %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// protoFiles lists the .proto files below root, relative to it and sorted.
func protoFiles(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".proto" {
			return err
		}
		rel, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	sort.Strings(names)
	return names, err
}

// inOrder gives the descriptors of files and of all that they import, imports first.
func inOrder(files linker.Files) []*descriptorpb.FileDescriptorProto {
	var all []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			visit(f.Imports().Get(i).FileDescriptor)
		}
		all = append(all, protoutil.ProtoFromFileDescriptor(f))
	}
	for _, f := range files {
		visit(f)
	}
	return all
}

// generate runs one plugin and writes its files below out.
func generate(req *pluginpb.CodeGeneratorRequest, plugin, out string) error {
	in, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	var stdout bytes.Buffer
	cmd := exec.Command(plugin)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	var reply pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(stdout.Bytes(), &reply); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if reply.Error != nil {
		return errors.New(reply.GetError())
	}
	for _, f := range reply.File {
		path := filepath.Join(out, filepath.FromSlash(f.GetName()))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
