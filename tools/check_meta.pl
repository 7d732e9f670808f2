#!/usr/bin/perl
# One version everywhere: aiusage.control, META.json and the tops of CHANGELOG.md and debian/changelog;
# and META.json is what PGXN's specification 1.0.0 asks for.
use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP;

chdir(dirname(dirname($0))) or die;

sub slurp
{
	open my $fh, '<', $_[0] or die "cannot read $_[0]: $!\n";
	local $/;
	return scalar <$fh>;
}

my @errors;
my ($version) = slurp('aiusage.control') =~ /^default_version\s*=\s*'([^']+)'/m;
my ($changed) = slurp('CHANGELOG.md') =~ /^##\s+(\S+)/m;
my $meta = eval { JSON::PP->new->decode(slurp('META.json')) };

push @errors, "META.json: $@" unless $meta;
my ($packaged) = slurp('debian/changelog') =~ /^aiusage \(([^)]*)\)/;
push @errors, "control says $version, debian/changelog says " . ($packaged // 'nothing') unless ($packaged // '') =~ /^\Q$version\E([+~-]|$)/;
push @errors, "control says $version, CHANGELOG.md says " . ($changed // 'nothing') unless ($changed // '') eq $version;
if ($meta)
{
	push @errors, "control says $version, META.json says $meta->{version}" unless $meta->{version} eq $version;
	for my $key (qw(name abstract version maintainer license provides meta-spec))
	{
		push @errors, "META.json: no $key" unless $meta->{$key};
	}
	push @errors, 'META.json: meta-spec is not 1.0.0' unless ($meta->{'meta-spec'}{version} // '') eq '1.0.0';
	push @errors, 'META.json: not a semantic version' unless $meta->{version} =~ /^\d+\.\d+\.\d+(-[A-Za-z][\w.-]*)?$/;
	for my $name (sort keys %{ $meta->{provides} })
	{
		my $p = $meta->{provides}{$name};
		push @errors, "META.json: $name has version $p->{version}" unless $p->{version} eq $version;
		for my $file (grep { defined } @$p{qw(file docfile)})
		{
			push @errors, "META.json: $file does not exist" unless -e $file;
		}
	}
}
print "$_\n" for @errors;
print "meta: version $version, ", scalar(@errors), " findings\n";
exit(@errors ? 1 : 0);
