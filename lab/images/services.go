package images

import v1 "github.com/google/go-containerregistry/pkg/v1"

// services are the images on top of Debian trixie, whose packages have the
// versions that the tags say; Node.js is from npm's registry.
func services() []recipe {
	return []recipe{mariadb(), memcached(), redis(), varnish(), node()}
}

// mariadb has the server and its client programs without the packages that
// make a machine of a distribution out of them (service files, Galera).
func mariadb() recipe {
	return recipe{
		Name:     MariaDB,
		Base:     DebianTrixie,
		User:     &user{Name: "mysql", ID: 999, Home: "/var/lib/mysql"},
		Packages: []string{"mariadb-server-core", "mariadb-client", "mariadb-backup", "tzdata"},
		Files:    "mariadb",
		Setup: `
install -d -o mysql -g mysql -m 0750 /var/lib/mysql
install -d -o mysql -g mysql -m 1777 /run/mysqld
`,
		Config: v1.Config{
			Env:          []string{searchPath},
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"mariadbd"},
			ExposedPorts: map[string]struct{}{"3306/tcp": {}},
			Volumes:      map[string]struct{}{"/var/lib/mysql": {}},
		},
	}
}

func memcached() recipe {
	return recipe{
		Name:     Memcached,
		Base:     DebianTrixie,
		User:     &user{Name: "memcache", ID: 11211, Home: "/nonexistent"},
		Packages: []string{"memcached"},
		Files:    "memcached",
		Config: v1.Config{
			User:         "memcache",
			Env:          []string{searchPath},
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"memcached"},
			ExposedPorts: map[string]struct{}{"11211/tcp": {}},
		},
	}
}

func redis() recipe {
	return recipe{
		Name:     Redis,
		Base:     DebianTrixie,
		User:     &user{Name: "redis", ID: 999, Home: "/data"},
		Packages: []string{"redis-server"},
		Files:    "redis",
		Setup:    "install -d -o redis -g redis /data\n",
		Config: v1.Config{
			Env:          []string{searchPath},
			WorkingDir:   "/data",
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"redis-server"},
			ExposedPorts: map[string]struct{}{"6379/tcp": {}},
			Volumes:      map[string]struct{}{"/data": {}},
		},
	}
}

// varnish comes with a C compiler, its largest part: varnishd compiles VCL
// with it at every start.
func varnish() recipe {
	return recipe{
		Name:     Varnish,
		Base:     DebianTrixie,
		User:     &user{Name: "varnish", ID: 1000, Home: "/nonexistent"},
		Packages: []string{"varnish"},
		Files:    "varnish",
		Setup: `
install -d -o varnish -g varnish -m 0755 /var/lib/varnish
rm -f /etc/varnish/secret # made by the package; each varnishd makes its own
`,
		Config: v1.Config{
			User:         "varnish",
			Env:          []string{searchPath, "VARNISH_SIZE=100M"},
			WorkingDir:   "/etc/varnish",
			Entrypoint:   []string{"docker-varnish-entrypoint"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}, "8443/tcp": {}},
		},
	}
}
