package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/telefleet/orchestrator/internal/certs"
)

func newCert() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Make the certificates by which nodes know each other",
		Long: `Make the certificates by which the nodes of a cluster know each other. A node takes calls
of other nodes only from clients with a certificate of the cluster's own authority.`,
		Example: `  orchestrator cert init --dir certs
  orchestrator cert issue node-1 --dir certs --host 10.0.0.5 --host node-1.example.net`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertInit(), newCertIssue())
	return cmd
}

func newCertInit() *cobra.Command {
	var dir, name string
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Make a cluster's authority: ca.crt and ca.key",
		Example: "  orchestrator cert init --dir certs",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			if err := certs.Init(dir, name, now); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "authority in %s, valid until %s\nkeep %s where it is: who has it can join the cluster\n",
				filepath.Join(dir, certs.CAFile), now.Add(certs.AuthorityLife).Format(time.DateOnly), filepath.Join(dir, certs.CAKeyFile))
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "certs", "directory of the authority; made if it is missing")
	cmd.Flags().StringVar(&name, "cluster", "orchestrator", "name of the cluster, shown in the certificate")
	return cmd
}

func newCertIssue() *cobra.Command {
	var dir string
	var hosts []string
	cmd := &cobra.Command{
		Use:     "issue NAME",
		Short:   "Make a node's certificate: NAME.crt and NAME.key",
		Example: "  orchestrator cert issue node-1 --dir certs --host 10.0.0.5 --host node-1.example.net",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			made, err := certs.Issue(dir, args[0], hosts, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `certificate of %s, valid until %s; in the node's configuration:
cluster:
  tls:
    ca_file: %s
    cert_file: %s
    key_file: %s
`, args[0], made.NotAfter.Format(time.DateOnly), filepath.Join(dir, certs.CAFile), made.Cert, made.Key)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "certs", "directory of the authority; the certificate is written there too")
	cmd.Flags().StringArrayVar(&hosts, "host", nil, "name or address by which other nodes reach this one; may be repeated")
	return cmd
}
