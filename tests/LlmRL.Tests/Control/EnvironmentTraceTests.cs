using System.Text.Json;
using LlmRL.Control;

namespace LlmRL.Tests.Control;

/// <summary>The dynamics against traces that Gymnasium 1.3.0 recorded.</summary>
public class EnvironmentTraceTests
{
    private const string File = "data/control/gym_traces.json";

    [SharedTheory(File)]
    [InlineData("CartPole-v1", 1e-6, int.MaxValue)]
    [InlineData("Acrobot-v1", 1e-5, 100)]
    public void Gymnasiums_traces_are_reproduced(string id, double tolerance, int steps)
    {
        using var json = JsonDocument.Parse(System.IO.File.ReadAllBytes(Shared.Path(File)));
        var traces = json.RootElement.GetProperty("traces").GetProperty(id).EnumerateArray().ToArray();
        Assert.NotEmpty(traces);
        foreach (var trace in traces)
            Follow(Environments.Create(id == "CartPole-v1" ? EnvironmentKind.CartPole : EnvironmentKind.Acrobot), trace, tolerance, steps);
    }

    private static void Follow(IEnvironment environment, JsonElement trace, double tolerance, int steps)
    {
        var observation = new float[environment.ObservationSize];
        void AssertObserved(JsonElement expected, string what)
        {
            environment.Observe(observation);
            AssertClose(expected, Array.ConvertAll(observation, value => (double)value), tolerance, what);
        }

        Numbers(trace.GetProperty("init_state")).CopyTo(environment.State);
        AssertObserved(trace.GetProperty("init_obs"), "first observation");
        var actions = trace.GetProperty("actions").EnumerateArray().Select(action => action.GetInt32()).ToArray();
        var rewards = Numbers(trace.GetProperty("rewards"));
        Assert.Equal(trace.GetProperty("length").GetInt32(), actions.Length);
        var last = Math.Min(actions.Length, steps);
        for (var t = 0; t < last; t++)
        {
            var result = environment.Step(actions[t]);
            Assert.Equal(rewards[t], result.Reward);
            AssertClose(trace.GetProperty("states")[t], environment.State.ToArray(), tolerance, $"state {t}");
            AssertObserved(trace.GetProperty("obs")[t], $"observation {t}");
            var ended = t == actions.Length - 1;
            Assert.Equal(ended && trace.GetProperty("terminated").GetBoolean(), result.Terminated);
            Assert.Equal(ended && trace.GetProperty("truncated").GetBoolean(), t + 1 == environment.StepLimit && !result.Terminated);
        }
    }

    private static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetDouble())];

    private static void AssertClose(JsonElement expected, double[] actual, double tolerance, string what)
    {
        var numbers = Numbers(expected);
        Assert.Equal(numbers.Length, actual.Length);
        for (var i = 0; i < numbers.Length; i++)
            Assert.True(Math.Abs(numbers[i] - actual[i]) <= tolerance, $"{what}, number {i}: expected {numbers[i]:R}, got {actual[i]:R}");
    }
}
