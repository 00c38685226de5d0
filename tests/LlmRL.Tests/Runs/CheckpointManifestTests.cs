using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

/// <summary>What a half-written or damaged checkpoint looks like, and which one is used instead.</summary>
public sealed class CheckpointManifestTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly RunDirectory run;
    private readonly List<string> warnings = [];

    public CheckpointManifestTests()
    {
        run = RunDirectory.Create(folder["run"]);
        foreach (var step in new[] { 2, 4, 6 })
            Make(step);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Whole_checkpoints_are_used_newest_first()
    {
        Assert.Equal(6, CheckpointManifest.NewestWhole(run, "sft", warnings.Add));
        Assert.Empty(warnings);
        Assert.Null(CheckpointManifest.NewestWhole(run, "other", warnings.Add));
    }

    [Theory]
    [InlineData("flip", "checksum")]
    [InlineData("cut", "has 9 bytes instead of 10")]
    [InlineData("lose", "value/weights is missing")]
    [InlineData("no manifest", "manifest.json is missing")]
    [InlineData("torn manifest", "manifest.json cannot be read")]
    public void A_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(string damage, string text)
    {
        var checkpoint = run.Checkpoint("sft", 6);
        var (weights, manifest) = (Path.Combine(checkpoint, "value", "weights"), Path.Combine(checkpoint, CheckpointManifest.FileName));
        switch (damage)
        {
            case "flip": File.WriteAllText(weights, "012345678X"); break;
            case "cut": File.WriteAllText(weights, "012345678"); break;
            case "lose": File.Delete(weights); break;
            case "no manifest": File.Delete(manifest); break;
            default: File.WriteAllText(manifest, File.ReadAllText(manifest)[..20]); break;
        }

        Assert.Equal(4, CheckpointManifest.NewestWhole(run, "sft", warnings.Add));
        var warning = Assert.Single(warnings);
        Assert.Contains($"{checkpoint} is damaged", warning);
        Assert.Contains(text, warning);
        Assert.Contains($"going on from {run.Checkpoint("sft", 4)}", warning);
        Assert.Equal([2, 4], run.CheckpointSteps("sft"));
        Assert.True(Directory.Exists(checkpoint + ".damaged"));
    }

    [Fact]
    public void Where_all_are_damaged_the_stage_starts_again()
    {
        foreach (var step in new[] { 2, 4, 6 })
            File.Delete(Path.Combine(run.Checkpoint("sft", step), CheckpointManifest.FileName));
        Assert.Null(CheckpointManifest.NewestWhole(run, "sft", warnings.Add));
        Assert.Equal(3, warnings.Count);
        Assert.All(warnings, warning => Assert.Contains("the stage starts again", warning));
    }

    [Fact]
    public void A_checkpoint_of_another_version_is_refused_and_left_alone()
    {
        var checkpoint = run.Checkpoint("sft", 6);
        File.Delete(Path.Combine(checkpoint, CheckpointManifest.FileName));
        File.WriteAllText(Path.Combine(checkpoint, CheckpointManifest.StateName), """{"stage":"sft","step":6}""");
        var message = Assert.Throws<BadInputException>(() => CheckpointManifest.NewestWhole(run, "sft", warnings.Add)).Message;
        Assert.Contains(checkpoint, message);
        Assert.Contains("format 1", message);
        Assert.Contains("--resume", message);
        Assert.Equal([2, 4, 6], run.CheckpointSteps("sft"));
    }

    [Fact]
    public void The_best_checkpoint_stays_beside_the_newest()
    {
        run.PruneCheckpoints("sft", keep: 1, best: 2);
        Assert.Equal([2, 6], run.CheckpointSteps("sft"));
    }

    private void Make(int step)
    {
        var checkpoint = run.Checkpoint("sft", step);
        Directory.CreateDirectory(Path.Combine(checkpoint, "value"));
        File.WriteAllText(Path.Combine(checkpoint, CheckpointManifest.StateName), "{\"format\": 2}");
        File.WriteAllText(Path.Combine(checkpoint, "value", "weights"), "0123456789");
        CheckpointManifest.Write(checkpoint, "sft", step);
    }
}
