using LlmRL.Control;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Control;

[Collection(TensorCollection.Name)]
public class ControlAgentTests
{
    static ControlAgentTests() => _ = Tiny.Llama;

    [Fact]
    public void Values_belong_to_their_steps_and_only_what_was_cut_off_has_one_after_the_last()
    {
        var stage = new ControlStage { Name = "pole", Environment = EnvironmentKind.CartPole, Algorithm = new ControlActorCritic(), Steps = 1, HiddenSizes = [8] };
        using var agent = new ControlAgent(stage, 3);
        var rollout = new EnvironmentPool(EnvironmentKind.CartPole, 3, 1).Collect(agent.Policy, 2, 60);
        agent.AddValues(rollout);

        Assert.Contains(rollout.Segments, segment => segment.Terminated);
        Assert.Contains(rollout.Segments, segment => !segment.Terminated);
        foreach (var segment in rollout.Segments)
        {
            Assert.Equal(segment.Length, segment.Values.Length);
            for (var t = 0; t < segment.Length; t++)
                Assert.Equal(ValueOf(segment.Observations.GetRange(4 * t, 4).ToArray()), segment.Values[t], 1e-6);
            Assert.Equal(segment.Terminated ? 0 : ValueOf(segment.FinalObservation), segment.FinalValue, 1e-6);
        }

        double ValueOf(float[] observation)
        {
            using var scope = NewDisposeScope();
            return agent.Value!.Forward(tensor(observation, [1, 4])).item<float>();
        }
    }

    [Fact]
    public void A_fresh_policy_is_near_uniform_and_its_seed_decides_it()
    {
        var stage = new ControlStage { Name = "pole", Environment = EnvironmentKind.Acrobot, Algorithm = new ControlReinforce(), Steps = 1 };
        using var agent = new ControlAgent(stage, 3);
        using var same = new ControlAgent(stage, 3);
        using var other = new ControlAgent(stage, 4);
        var rollout = new EnvironmentPool(EnvironmentKind.Acrobot, 1, 1).Collect(agent.Policy, 2, 50);

        Assert.Null(agent.Value);
        Assert.All(rollout.Segments[0].LogProbs, logProb => Assert.Equal(Math.Log(1.0 / 3), logProb, 0.1));
        Assert.Equal(Weights(agent), Weights(same));
        Assert.NotEqual(Weights(agent), Weights(other));

        static float[] Weights(ControlAgent agent) => agent.Policy.Parameters.Values.data<float>().ToArray();
    }
}
