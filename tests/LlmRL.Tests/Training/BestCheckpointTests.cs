using LlmRL.Algorithms;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>Which checkpoint is the best, and what asking for it costs.</summary>
public sealed class BestCheckpointTests
{
    // The log has a line for each step: reading it at every checkpoint made long runs slower and larger the longer they went on.
    [Theory]
    [InlineData(null)]
    [InlineData("reward")]
    public void TheLogIsReadOnlyForTheMessage(string? metric)
    {
        var best = new BestCheckpoint(new Sft { Name = "s", Steps = 9, Data = null!, MetricForBestModel = metric });
        best.Add([KeyValuePair.Create("reward", 1.0)]);
        best.EndSpan(1, () => throw new InvalidOperationException("The log was read."));
        Assert.Equal(metric is null ? null : 1, best.Step);
    }

    [Fact]
    public void AMetricThatIsNotLoggedIsNamedBesideThoseThatAre()
    {
        var best = new BestCheckpoint(new Sft { Name = "s", Steps = 9, Data = null!, MetricForBestModel = "rewrad" });
        best.Add([KeyValuePair.Create("reward", 1.0)]);
        var fault = Assert.Throws<BadInputException>(() => best.EndSpan(3, () => ["loss", "reward"]));
        Assert.Contains("rewrad", fault.Message);
        Assert.Contains("step 3", fault.Message);
        Assert.Contains("loss, reward", fault.Message);
    }
}
