using LlmRL.Control;

namespace LlmRL.Tests.Control;

/// <summary>What the recorded traces do not show: ends, bounds and start states.</summary>
public class EnvironmentTests
{
    [Fact]
    public void Acrobots_goal_is_one_link_length_above_the_joint()
    {
        // Hanging down, both links up, and the first link level with the second one folded up: heights −2, 2 and 1, the goal being beyond 1.
        Assert.Equal(new StepResult(-1, false), StepFrom(0, 0));
        Assert.Equal(new StepResult(0, true), StepFrom(Math.PI - 0.01, 0));
        Assert.Equal(new StepResult(-1, false), StepFrom(Math.PI / 2, Math.PI / 2 - 0.05));

        static StepResult StepFrom(double angle1, double angle2)
        {
            var acrobot = new Acrobot();
            new[] { angle1, angle2, 0, 0 }.CopyTo(acrobot.State);
            return acrobot.Step(1);
        }
    }

    [Fact]
    public void Acrobots_angles_stay_in_one_turn_and_its_speeds_below_their_limits()
    {
        var acrobot = new Acrobot();
        new[] { Math.PI - 0.1, -Math.PI + 0.1, 50, -50 }.CopyTo(acrobot.State);
        acrobot.Step(2);

        Assert.InRange(acrobot.State[0], -Math.PI, Math.PI);
        Assert.InRange(acrobot.State[1], -Math.PI, Math.PI);
        Assert.InRange(acrobot.State[2], -4 * Math.PI, 4 * Math.PI);
        Assert.InRange(acrobot.State[3], -9 * Math.PI, 9 * Math.PI);
        Assert.True(Math.Abs(acrobot.State[2]) == 4 * Math.PI || Math.Abs(acrobot.State[3]) == 9 * Math.PI, "no speed reached its limit: the test shows nothing");
    }

    [Fact]
    public void Without_torque_a_swinging_acrobot_keeps_its_energy()
    {
        var acrobot = new Acrobot();
        new[] { 0.3, -0.2, 0.0, 0.0 }.CopyTo(acrobot.State);
        var start = Energy(acrobot.State);
        for (var t = 0; t < 50; t++)
        {
            acrobot.Step(1);
            // Ten seconds of Runge–Kutta steps lose a little; the swing itself moves about 3 J between height and speed.
            Assert.InRange(Energy(acrobot.State), start - 0.05, start + 0.05);
        }
    }

    [Theory]
    [InlineData(0, 2.39, 1.0, true)]
    [InlineData(0, 2.35, 1.0, false)]
    [InlineData(0, -2.39, -1.0, true)]
    [InlineData(2, 0.2090, 0.1, true)]
    [InlineData(2, 0.2000, 0.1, false)]
    [InlineData(2, -0.2090, -0.1, true)]
    public void Cartpole_ends_beyond_its_bounds(int number, double value, double speed, bool ends)
    {
        var cartPole = new CartPole();
        (cartPole.State[number], cartPole.State[number + 1]) = (value, speed);
        Assert.Equal(new StepResult(1, ends), cartPole.Step(0));
    }

    [Theory]
    [InlineData(EnvironmentKind.CartPole, 0.05)]
    [InlineData(EnvironmentKind.Acrobot, 0.1)]
    public void Start_states_fill_their_range(EnvironmentKind kind, double bound)
    {
        var environment = kind.Create();
        var states = Enumerable.Range(0, 200).SelectMany(i =>
        {
            environment.Reset(new RandomStream((ulong)i));
            return environment.State.ToArray();
        }).ToArray();

        Assert.All(states, value => Assert.InRange(value, -bound, bound));
        Assert.True(states.Min() < -0.95 * bound && states.Max() > 0.95 * bound);
        Assert.InRange(states.Average(), -0.1 * bound, 0.1 * bound);
    }

    /// <summary>Kinetic plus potential energy of two uniform links with mass, length and moment 1, in J: an independent account of the same mechanics.</summary>
    private static double Energy(ReadOnlySpan<double> s)
    {
        var (angle1, angle2, speed1, speed2) = (s[0], s[0] + s[1], s[2], s[2] + s[3]);
        // Centre of the second link: the tip of the first plus half a link.
        var (vx, vy) = (speed1 * Math.Cos(angle1) + 0.5 * speed2 * Math.Cos(angle2), speed1 * Math.Sin(angle1) + 0.5 * speed2 * Math.Sin(angle2));
        var kinetic = 0.5 * (0.25 + 1) * speed1 * speed1 + 0.5 * (vx * vx + vy * vy) + 0.5 * speed2 * speed2;
        return kinetic - 9.8 * (0.5 * Math.Cos(angle1) + Math.Cos(angle1) + 0.5 * Math.Cos(angle2));
    }
}
