// Package nfsd reads which clients use this host's NFS server now: what the kernel
// shows of NFSv4 clients, and what rpc.mountd noted of NFSv3 clients.
package nfsd
