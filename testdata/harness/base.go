package harness

import (
	"errors"
	"os"
	"path/filepath"
)

// The users and groups of the image busybox. worker is in the supplementary group tools; file names and shells are those of any distribution.
const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000:Worker:/home/worker:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
	group  = "root:x:0:\nworker:x:1000:\ntools:x:2000:worker\naudio:x:29:\nnobody:x:65534:\n"
)

// applets are the busybox programs that the scripts call.
var applets = []string{
	"[", "awk", "base64", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env", "expr", "false", "find", "grep",
	"head", "hostname", "id", "ifconfig", "ip", "kill", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mknod", "mount", "mv", "nc", "nslookup", "od", "pidof", "ping", "printf",
	"ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "setsid", "sh", "sha256sum", "sleep", "sort", "stat", "stty", "sync", "tail", "tar", "tee", "test",
	"timeout", "touch", "tr", "true", "tty", "umount", "uname", "unshare", "vi", "wc", "wget", "which", "whoami", "xargs", "yes",
}

const dockerfile = `FROM scratch
COPY rootfs /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["sh"]
`

// baseContext makes the build context of the image busybox below dir: a static busybox, a link for each applet, users and groups.
func baseContext(dir string) (string, error) {
	root := filepath.Join(dir, "rootfs")
	for name, mode := range map[string]os.FileMode{"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o777 | os.ModeSticky, "var": 0o755, "home": 0o755} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return "", err
		}
		if err := os.Chmod(path, mode); err != nil {
			return "", err
		}
	}
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return "", errors.New("/bin/busybox is missing: apt-get install busybox-static")
	}
	files := map[string][]byte{"etc/passwd": []byte(passwd), "etc/group": []byte(group), "../Dockerfile": []byte(dockerfile)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), box, 0o755); err != nil {
		return "", err
	}
	for _, name := range applets {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			return "", err
		}
	}
	return dir, nil
}
