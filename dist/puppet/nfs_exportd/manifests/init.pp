# @summary Exports directories to the instances of OpenStack projects, with nfs-exportd(8).
#
# The class installs nfs-exportd, writes its configuration and its credentials,
# enables its timer, and brings the exports up to date in the Puppet run itself,
# so that a change of the configuration does not wait for the timer.
#
# The exec runs "nfs-exportd plan --detailed-exitcode" first, which writes nothing
# and which Puppet therefore may run under noop as well:
#
# * 0, in step or held for maintenance or on standby: Puppet is silent.
# * 2, changes: "nfs-exportd apply" makes them. Under noop Puppet only tells that
#   it would.
# * 79, places are frozen: "nfs-exportd apply" names them and ends with 79 too, which
#   is no failure. Puppet shows that in each run until nothing is frozen.
# * Everything else: "nfs-exportd apply" is run and fails for the same reason,
#   with its message in Puppet's log and the exec as the one failed resource. So
#   a plan that is refused (65) is loud in each Puppet run until somebody has
#   read and approved it. Under noop a failure looks as a change does: Puppet
#   does not tell the statuses apart there. "nfs-exportd check" does.
#
# @example
#   class { 'nfs_exportd':
#     config_source => 'puppet:///modules/profile/nfs-mounts.yaml',
#     credentials   => Sensitive(lookup('nfs_exportd_credentials')),
#     settings      => { 'NFS_EXPORTD_METRICS_FILE' => '/var/lib/prometheus/node-exporter/nfs-exportd.prom' },
#   }
#
# @param manage_package
#   Whether Puppet installs the package.
# @param package_ensure
#   What the package is to be, as in the resource type package.
# @param config_file
#   Path of the configuration, see nfs-mounts.yaml(5).
# @param config
#   Text of the configuration; either this or config_source.
# @param config_source
#   Where the configuration comes from, as source of the resource type file.
#   Without this and config Puppet leaves the file alone.
# @param config_mode
#   Mode of the configuration. It has no secrets; give '0644' if other programs read it.
# @param credentials_file
#   Path of the credentials, YAML of OS_* keys.
# @param credentials
#   Text of the credentials. Without it Puppet leaves the file alone.
# @param settings
#   Flags of nfs-exportd as environment variables. They hold for the timer, by
#   /etc/default/nfs-exportd, and for the exec. They are no place for secrets.
# @param lock_timeout
#   How long the exec waits for a run that the timer has started. A lock_timeout
#   of the settings is for the timer only.
# @param apply
#   Whether Puppet brings the exports up to date. Without it only the timer does.
# @param exec_timeout
#   Seconds after which Puppet gives up on plan, and on apply. The cloud may take
#   two minutes of it (NFS_EXPORTD_TIMEOUT), and exportfs two for each run.
# @param manage_timer
#   Whether Puppet starts and enables the timer, and lets its service write to the
#   directory of NFS_EXPORTD_METRICS_FILE of the settings. It needs systemd.
# @param timer_ensure
#   Whether the timer runs. 'stopped' disables it, too.
# @param command
#   Path of nfs-exportd.
class nfs_exportd (
  Boolean $manage_package                    = true,
  String[1] $package_ensure                  = 'installed',
  Pattern[/\A\//] $config_file               = '/etc/nfs-mounts.yaml',
  Optional[String[1]] $config                = undef,
  Optional[String[1]] $config_source         = undef,
  Pattern[/\A0[0-7]{3}\z/] $config_mode      = '0640',
  Pattern[/\A\//] $credentials_file          = '/etc/novaobserver.yaml',
  Optional[Sensitive[String[1]]] $credentials = undef,
  Hash[
    Variant[Enum['OS_CLOUD', 'OS_CLIENT_CONFIG_FILE'], Pattern[/\ANFS_EXPORTD_[A-Z_]+\z/]],
    Pattern[/\A[^\n"\\$`]*\z/]
  ] $settings                                = {},
  Pattern[/\A([0-9]+[hms])+\z/] $lock_timeout = '5m',
  Boolean $apply                             = true,
  Integer[1] $exec_timeout                   = 900,
  Boolean $manage_timer                      = true,
  Enum['running', 'stopped'] $timer_ensure   = 'running',
  Pattern[/\A\//] $command                   = '/usr/bin/nfs-exportd',
) {
  if $config and $config_source {
    fail('nfs_exportd: give config or config_source, not both')
  }
  ['NFS_EXPORTD_CONFIG', 'NFS_EXPORTD_CREDENTIALS'].each |$name| {
    if $name in $settings {
      fail("nfs_exportd: ${name} of settings is config_file or credentials_file")
    }
  }

  # The program takes its default credentials only if they are there, and clouds.yaml
  # comes first: so they are named only if they are ours.
  $named = $credentials ? {
    undef   => {},
    default => { 'NFS_EXPORTD_CREDENTIALS' => $credentials_file },
  }
  $environment = { 'NFS_EXPORTD_CONFIG' => $config_file } + $named + $settings

  if $manage_package {
    package { 'nfs-exportd':
      ensure => $package_ensure,
    }
    Package['nfs-exportd'] -> File['/etc/default/nfs-exportd']
  }

  file { '/etc/default/nfs-exportd':
    ensure  => file,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => epp('nfs_exportd/default.epp', { 'environment' => $environment }),
  }

  if $config or $config_source {
    file { $config_file:
      ensure  => file,
      owner   => 'root',
      group   => 'root',
      mode    => $config_mode,
      content => $config,
      source  => $config_source,
    }
    $config_files = [File[$config_file]]
  } else {
    $config_files = []
  }

  if $credentials {
    file { $credentials_file:
      ensure    => file,
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      show_diff => false,
      backup    => false, # a copy of old secrets would stay in the filebucket
      content   => $credentials,
    }
    $credentials_files = [File[$credentials_file]]
  } else {
    $credentials_files = []
  }

  $files = [File['/etc/default/nfs-exportd']] + $config_files + $credentials_files

  # Not "refreshonly" and no "notify": what a failed run leaves undone has to be
  # tried again in the next one, and exports change without a change of a file.
  if $apply {
    exec { 'nfs-exportd apply':
      command     => [$command, 'apply', '--lock-timeout', $lock_timeout],
      unless      => [[$command, 'plan', '--detailed-exitcode']],
      environment => $environment.map |$name, $value| { "${name}=${value}" },
      returns     => [0, 79],
      timeout     => $exec_timeout,
      logoutput   => true,
      require     => $files,
    }
  }

  # Its sandbox lets the service write nowhere else. The exec has none.
  if $manage_timer {
    $drop_in = '/etc/systemd/system/nfs-exportd.service.d/puppet.conf'
    if 'NFS_EXPORTD_METRICS_FILE' in $settings {
      $metrics_directory = regsubst($settings['NFS_EXPORTD_METRICS_FILE'], '/[^/]*\z', '')
      file { '/etc/systemd/system/nfs-exportd.service.d':
        ensure => directory,
      }
      file { $drop_in:
        ensure  => file,
        owner   => 'root',
        group   => 'root',
        mode    => '0644',
        content => "# Puppet writes this file.\n[Service]\nReadWritePaths=\"-${regsubst($metrics_directory, '%', '%%', 'G')}\"\n",
      }
    } else {
      file { $drop_in:
        ensure => absent,
      }
    }
    exec { 'nfs-exportd: systemctl daemon-reload':
      command     => ['systemctl', 'daemon-reload'],
      path        => $facts['path'],
      refreshonly => true,
      subscribe   => File[$drop_in],
      before      => Service['nfs-exportd.timer'],
    }
  }

  # Beside the exec and not after it: a cloud that is away must not keep the timer
  # off, which will try again.
  if $manage_timer {
    service { 'nfs-exportd.timer':
      ensure   => $timer_ensure,
      enable   => $timer_ensure == 'running',
      provider => 'systemd',
      require  => $files,
    }
  }
}
